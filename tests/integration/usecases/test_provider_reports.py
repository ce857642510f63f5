"""How orders ended here is reported to Tixstock: real Redis, real HTTP to the simulator."""

import json
from dataclasses import replace
from typing import Any

import pytest

from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from tests.integration.webhooks.conftest import OpenWebhooks, WebhookHarness, open_webhooks, seat
from willcall.orders.model import Status
from willcall.orders.outcomes import Cancelled
from willcall.orders.pushes import OutcomePush
from willcall.providers.tixstock.pushes import AnswerWords
from willcall.providers.transport import ProviderTransport
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.usecases.accounts import pause
from willcall.usecases.apply_pushes import apply_push
from willcall.usecases.complete import NewTickets, complete_order
from willcall.usecases.erase import erase_order
from willcall.usecases.orders import cancel_order
from willcall.usecases.settle import settle_expired

__all__ = ["open_webhooks"]

ACCOUNT = "tixstock/default"
ISSUED = OrderScript(provider="tixstock", reference="o-1", quantity=1)
OPEN = OrderScript(provider="tixstock", reference="o-1", quantity=2, ends="never")


@pytest.fixture
def telling(make_system: Setup) -> System:
    return with_account(make_system(callbacks=True))


def with_account(made: System, *, tell: bool = True, **words: Any) -> System:
    account = made.context.accounts[ACCOUNT]
    credentials = account.credentials.model_copy(update={"tell": tell, "answers": AnswerWords(**words)})
    accounts = {**made.context.accounts, ACCOUNT: replace(account, credentials=credentials)}
    return replace(made, context=replace(made.context, accounts=accounts))


def reported(made: System) -> list[str | None]:
    """The words that the simulator was sent."""
    return [entry["reported_word"] for entry in made.providers.ledger() if entry["kind"] == "report"]


def sweep(made: System) -> int:
    counts = run_sweep(made.context, "reports")
    assert counts is not None
    return counts["reported"]


def expire(made: System) -> None:
    assert settle_expired(made.context, made.order(), made.context.stores.accounts.now())


def make_due(made: System) -> None:
    made.redis.zadd(keys.REPORTS_DUE, {"ord-1": 1})


def test_an_order_that_a_poll_completed_is_reported_once(telling: System) -> None:
    telling.submit(ISSUED)
    assert telling.poll().status is Status.FULFILLED
    assert telling.redis.zcard(keys.REPORTS_DUE) == 1
    assert [sweep(telling), sweep(telling)] == [1, 0]
    assert reported(telling) == ["Approved"]
    entry = telling.context.stores.orders.timeline("ord-1")[-1]
    assert (entry.outcome, entry.http_status, entry.why) == ("reported", 200, "the provider now has it as Approved")
    assert not telling.redis.exists(keys.REPORTS_DUE, keys.REPORTS_PENDING, keys.report("ord-1"))


def test_an_order_completed_by_hand_is_reported(telling: System) -> None:
    telling.submit(OPEN)
    complete_order(telling.context, "ord-1", NewTickets(codes=["A"]), ANNA)
    assert sweep(telling) == 1
    assert reported(telling) == ["Approved"]


def test_an_order_that_expired_is_reported_and_reported_again_when_it_is_fulfilled_late(telling: System) -> None:
    telling.submit(OPEN)
    expire(telling)
    sweep(telling)
    complete_order(telling.context, "ord-1", NewTickets(codes=["A"]), ANNA)
    sweep(telling)
    assert reported(telling) == ["Pending Review", "Approved"]


def test_only_the_latest_end_is_reported(telling: System) -> None:
    telling.submit(OPEN)
    expire(telling)
    complete_order(telling.context, "ord-1", NewTickets(codes=["A"]), ANNA)
    sweep(telling)
    assert reported(telling) == ["Approved"]


def test_nothing_is_reported_without_tell(make_system: Setup) -> None:
    made = with_account(make_system(), tell=False)
    made.submit(ISSUED)
    made.poll()
    assert made.redis.zcard(keys.REPORTS_DUE) == 0
    assert (sweep(made), reported(made)) == (0, [])


def test_a_report_that_is_pending_when_tell_is_switched_off_is_dropped(telling: System) -> None:
    telling.submit(ISSUED)
    telling.poll()
    made = with_account(telling, tell=False)
    assert (sweep(made), reported(made)) == (0, [])
    assert made.redis.zcard(keys.REPORTS_DUE) == 0


def test_a_cancellation_by_the_provider_drops_the_report(telling: System) -> None:
    telling.submit(ISSUED)
    telling.poll()
    account = telling.context.accounts[ACCOUNT]
    apply_push(telling.context, account, "ord-1", "order.update", OutcomePush(Cancelled("gone")))
    assert (sweep(telling), reported(telling)) == (0, [])


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_an_end_that_the_provider_said_itself_is_not_reported(telling: System, end: Any) -> None:
    telling.submit(OrderScript(provider="tixstock", reference="o-1", ends=end))
    assert telling.poll().status.value == end
    complete_order(telling.context, "ord-1", NewTickets(codes=["A"]), ANNA)
    assert (sweep(telling), reported(telling)) == (0, [])


def test_an_order_that_its_caller_cancelled_is_not_reported(telling: System) -> None:
    telling.submit(OPEN)
    cancel_order(telling.context, "ord-1", ANNA)
    assert (sweep(telling), reported(telling)) == (0, [])


def test_the_response_to_a_push_is_the_report(telling: System, open_webhooks: OpenWebhooks) -> None:
    harness = WebhookHarness(telling, open_webhooks(telling.context))
    telling.submit(OPEN)
    harness.answer(seat(1))
    assert harness.answer(seat(2))["order_status"] == "Delivered"
    assert (sweep(telling), reported(telling)) == (0, [])


def test_a_push_ahead_of_its_order_that_completes_it_is_reported(telling: System, open_webhooks: OpenWebhooks) -> None:
    harness = WebhookHarness(telling, open_webhooks(telling.context))
    assert harness.answer(seat(1))["order_status"] == "Approved"
    telling.submit(OPEN, quantity=1)
    assert telling.order().status is Status.FULFILLED
    assert (sweep(telling), reported(telling)) == (1, ["Approved"])


def test_the_word_for_complete_orders_is_that_of_the_account_if_it_is_allowed_there(make_system: Setup) -> None:
    made = with_account(make_system(), complete="Commissionable")
    made.submit(ISSUED)
    made.poll()
    assert (sweep(made), reported(made)) == (1, ["Commissionable"])


@pytest.mark.parametrize("word", ["Commissionable", "Delivered"])
def test_an_expired_order_never_causes_an_invoice_and_has_an_allowed_word(word: str) -> None:
    with pytest.raises(ValueError, match="Update Order allows"):
        AnswerWords(expired=word)


def test_a_report_is_repeated_with_back_off_while_the_provider_is_down(telling: System) -> None:
    telling.submit(ISSUED)
    telling.poll()
    telling.providers.update_account("tixstock", down="503")
    assert sweep(telling) == 0
    entry = telling.context.stores.orders.timeline("ord-1")[-1]
    assert (entry.outcome, entry.http_status) == ("report_failed", 503)
    assert "again in 6" in entry.why
    assert sweep(telling) == 0  # it is not due
    make_due(telling)
    sweep(telling)
    assert "again in 2" in telling.context.stores.orders.timeline("ord-1")[-1].why
    telling.providers.update_account("tixstock", down=None)
    make_due(telling)
    assert (sweep(telling), reported(telling)[-1]) == (1, "Approved")


def test_a_report_that_is_never_taken_is_given_up_and_operators_are_alerted(telling: System) -> None:
    telling.submit(ISSUED)
    telling.poll()
    telling.providers.update_account("tixstock", down="503")
    telling.redis.hincrby(keys.report("ord-1"), "since", -4 * 86_400_000)
    sweep(telling)
    assert telling.redis.zcard(keys.REPORTS_DUE) == 0
    assert telling.context.stores.orders.timeline("ord-1")[-1].why.endswith("given up")
    (event,) = telling.context.stores.ops.recent(10)
    assert (event.type, event.subject, event.data["id"]) == ("order.attention", "order:ord-1", "ord-1")
    assert event.data["why"].startswith("The provider does not know how this order ended")
    assert event.data["what_to_do"] == "Set it to Approved there."
    assert telling.order().attention is None


def test_a_report_waits_for_a_token_of_its_account_and_is_not_given_up_for_want_of_one(telling: System) -> None:
    telling.submit(ISSUED)
    telling.poll()
    pause(telling.context, telling.context.accounts[ACCOUNT], None, ANNA)
    telling.redis.hincrby(keys.report("ord-1"), "since", -4 * 86_400_000)
    assert (sweep(telling), reported(telling)) == (0, [])
    assert telling.redis.zcard(keys.REPORTS_DUE) == 1


def test_a_report_survives_a_sweep_that_dies_after_sending(telling: System, monkeypatch: pytest.MonkeyPatch) -> None:
    telling.submit(ISSUED)
    telling.poll()
    with monkeypatch.context() as patch:
        patch.setattr(type(telling.context.stores.reports), "record", _die)
        with pytest.raises(SystemExit):
            run_sweep(telling.context, "reports")
    make_due(telling)
    assert (sweep(telling), reported(telling)) == (1, ["Approved", "Approved"])


def _die(*_: Any, **__: Any) -> None:
    raise SystemExit


def test_an_erased_order_is_not_reported(telling: System) -> None:
    telling.submit(ISSUED)
    telling.poll()
    erase_order(telling.context, "ord-1", ANNA)
    assert (sweep(telling), reported(telling)) == (0, [])
    assert not telling.redis.exists(keys.REPORTS_DUE, keys.REPORTS_PENDING, keys.report("ord-1"))


def test_the_request_is_that_of_update_order(telling: System, monkeypatch: pytest.MonkeyPatch) -> None:
    telling.submit(ISSUED)
    telling.poll()
    sent: list[Any] = []
    exchange = ProviderTransport.exchange

    def record(transport: ProviderTransport, account: Any, request: Any) -> Any:
        sent.append(request)
        return exchange(transport, account, request)

    monkeypatch.setattr(ProviderTransport, "exchange", record)
    sweep(telling)
    (request,) = sent
    assert (request.method, request.url.rpartition("/v1/")[2]) == ("POST", "orders/update/o-1")
    assert json.loads(request.body) == {"order_status": "Approved"}
