"""How orders ended here is reported to Tixstock: real Redis, real HTTP to the simulator."""

import json
from dataclasses import replace
from typing import Any

import pytest

from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from tests.integration.webhooks.conftest import OpenWebhooks, WebhookHarness, open_webhooks, seat
from willcall.http.messages import Response
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
def reporting(make_system: Setup) -> System:
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


def test_an_order_that_a_poll_completed_is_reported_once(reporting: System) -> None:
    reporting.submit(ISSUED)
    assert reporting.poll().status is Status.FULFILLED
    assert reporting.redis.zcard(keys.REPORTS_DUE) == 1
    assert [sweep(reporting), sweep(reporting)] == [1, 0]
    assert reported(reporting) == ["Approved"]
    entry = reporting.context.stores.orders.timeline("ord-1")[-1]
    assert (entry.outcome, entry.http_status, entry.why) == ("reported", 200, "the provider now has it as Approved")
    assert not reporting.redis.exists(keys.REPORTS_DUE, keys.REPORTS_PENDING, keys.report("ord-1"))


def test_an_order_completed_by_hand_is_reported(reporting: System) -> None:
    reporting.submit(OPEN)
    complete_order(reporting.context, "ord-1", NewTickets(codes=["A"]), ANNA)
    assert sweep(reporting) == 1
    assert reported(reporting) == ["Approved"]


def test_an_order_that_expired_is_reported_and_reported_again_when_it_is_fulfilled_late(reporting: System) -> None:
    reporting.submit(OPEN)
    expire(reporting)
    sweep(reporting)
    complete_order(reporting.context, "ord-1", NewTickets(codes=["A"]), ANNA)
    sweep(reporting)
    assert reported(reporting) == ["Pending Review", "Approved"]


def test_only_the_latest_end_is_reported(reporting: System) -> None:
    reporting.submit(OPEN)
    expire(reporting)
    complete_order(reporting.context, "ord-1", NewTickets(codes=["A"]), ANNA)
    sweep(reporting)
    assert reported(reporting) == ["Approved"]


def test_nothing_is_reported_without_tell(make_system: Setup) -> None:
    made = with_account(make_system(), tell=False)
    made.submit(ISSUED)
    made.poll()
    assert made.redis.zcard(keys.REPORTS_DUE) == 0
    assert (sweep(made), reported(made)) == (0, [])


def test_a_report_that_is_pending_when_tell_is_switched_off_is_dropped(reporting: System) -> None:
    reporting.submit(ISSUED)
    reporting.poll()
    made = with_account(reporting, tell=False)
    assert (sweep(made), reported(made)) == (0, [])
    assert made.redis.zcard(keys.REPORTS_DUE) == 0


def test_a_cancellation_by_the_provider_drops_the_report(reporting: System) -> None:
    reporting.submit(ISSUED)
    reporting.poll()
    account = reporting.context.accounts[ACCOUNT]
    apply_push(reporting.context, account, "ord-1", "order.update", OutcomePush(Cancelled("gone")))
    assert (sweep(reporting), reported(reporting)) == (0, [])


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_an_end_that_the_provider_said_itself_is_not_reported(reporting: System, end: Any) -> None:
    reporting.submit(OrderScript(provider="tixstock", reference="o-1", ends=end))
    assert reporting.poll().status.value == end
    complete_order(reporting.context, "ord-1", NewTickets(codes=["A"]), ANNA)
    assert (sweep(reporting), reported(reporting)) == (0, [])


def test_an_order_that_its_caller_cancelled_is_not_reported(reporting: System) -> None:
    reporting.submit(OPEN)
    cancel_order(reporting.context, "ord-1", ANNA)
    assert (sweep(reporting), reported(reporting)) == (0, [])


def test_the_response_to_a_push_is_the_report(reporting: System, open_webhooks: OpenWebhooks) -> None:
    harness = WebhookHarness(reporting, open_webhooks(reporting.context))
    reporting.submit(OPEN)
    harness.answer(seat(1))
    assert harness.answer(seat(2))["order_status"] == "Delivered"
    assert (sweep(reporting), reported(reporting)) == (0, [])


def test_a_push_ahead_of_its_order_that_completes_it_is_reported(
    reporting: System, open_webhooks: OpenWebhooks
) -> None:
    harness = WebhookHarness(reporting, open_webhooks(reporting.context))
    assert harness.answer(seat(1))["order_status"] == "Approved"
    reporting.submit(OPEN, quantity=1)
    assert reporting.order().status is Status.FULFILLED
    assert (sweep(reporting), reported(reporting)) == (1, ["Approved"])


def test_the_word_for_complete_orders_is_that_of_the_account_if_it_is_allowed_there(make_system: Setup) -> None:
    made = with_account(make_system(), complete="Commissionable")
    made.submit(ISSUED)
    made.poll()
    assert (sweep(made), reported(made)) == (1, ["Commissionable"])


@pytest.mark.parametrize("word", ["Commissionable", "Delivered"])
def test_an_expired_order_never_causes_an_invoice_and_has_an_allowed_word(word: str) -> None:
    with pytest.raises(ValueError, match="Update Order allows"):
        AnswerWords(expired=word)


def test_a_report_is_repeated_with_back_off_while_the_provider_is_down(reporting: System) -> None:
    reporting.submit(ISSUED)
    reporting.poll()
    reporting.providers.update_account("tixstock", down="503")
    assert sweep(reporting) == 0
    entry = reporting.context.stores.orders.timeline("ord-1")[-1]
    assert (entry.outcome, entry.http_status) == ("report_failed", 503)
    assert "again in 6" in entry.why
    assert sweep(reporting) == 0  # it is not due
    make_due(reporting)
    sweep(reporting)
    assert "again in 2" in reporting.context.stores.orders.timeline("ord-1")[-1].why
    reporting.providers.update_account("tixstock", down=None)
    make_due(reporting)
    assert (sweep(reporting), reported(reporting)[-1]) == (1, "Approved")


def test_a_report_that_is_never_taken_is_given_up_and_operators_are_alerted(reporting: System) -> None:
    reporting.submit(ISSUED)
    reporting.poll()
    reporting.providers.update_account("tixstock", down="503")
    reporting.redis.hincrby(keys.report("ord-1"), "since", -4 * 86_400_000)
    sweep(reporting)
    assert reporting.redis.zcard(keys.REPORTS_DUE) == 0
    assert reporting.context.stores.orders.timeline("ord-1")[-1].why.endswith("given up")
    (event,) = reporting.context.stores.ops.recent(10)
    assert (event.type, event.subject, event.data["id"]) == ("order.attention", "order:ord-1", "ord-1")
    assert event.data["why"].startswith("The provider does not know how this order ended")
    assert event.data["what_to_do"] == "Set it to Approved there."
    assert reporting.order().attention is None


def test_a_report_waits_for_a_token_of_its_account_and_is_not_given_up_for_want_of_one(reporting: System) -> None:
    reporting.submit(ISSUED)
    reporting.poll()
    pause(reporting.context, reporting.context.accounts[ACCOUNT], None, ANNA)
    reporting.redis.hincrby(keys.report("ord-1"), "since", -4 * 86_400_000)
    assert (sweep(reporting), reported(reporting)) == (0, [])
    assert reporting.redis.zcard(keys.REPORTS_DUE) == 1


def test_a_report_survives_a_sweep_that_dies_after_sending(reporting: System, monkeypatch: pytest.MonkeyPatch) -> None:
    reporting.submit(ISSUED)
    reporting.poll()
    with monkeypatch.context() as patch:
        patch.setattr(type(reporting.context.stores.reports), "record", _die)
        with pytest.raises(SystemExit):
            run_sweep(reporting.context, "reports")
    make_due(reporting)
    assert (sweep(reporting), reported(reporting)) == (1, ["Approved", "Approved"])


def _die(*_: Any, **__: Any) -> None:
    raise SystemExit


def test_an_erased_order_is_not_reported(reporting: System) -> None:
    reporting.submit(ISSUED)
    reporting.poll()
    erase_order(reporting.context, "ord-1", ANNA)
    assert (sweep(reporting), reported(reporting)) == (0, [])
    assert not reporting.redis.exists(keys.REPORTS_DUE, keys.REPORTS_PENDING, keys.report("ord-1"))


def test_the_request_is_that_of_update_order(reporting: System, monkeypatch: pytest.MonkeyPatch) -> None:
    reporting.submit(ISSUED)
    reporting.poll()
    sent: list[Any] = []
    exchange = ProviderTransport.exchange

    def record(transport: ProviderTransport, account: Any, request: Any) -> Any:
        sent.append(request)
        return exchange(transport, account, request)

    monkeypatch.setattr(ProviderTransport, "exchange", record)
    sweep(reporting)
    (request,) = sent
    assert (request.method, request.url.rpartition("/v1/")[2]) == ("POST", "orders/update/o-1")
    assert json.loads(request.body) == {"order_status": "Approved"}


def answer_with(monkeypatch: pytest.MonkeyPatch, *responses: Response) -> None:
    queue = iter(responses)
    monkeypatch.setattr(ProviderTransport, "exchange", lambda *_: next(queue))


def test_a_hint_of_the_provider_postpones_the_next_try(reporting: System, monkeypatch: pytest.MonkeyPatch) -> None:
    reporting.submit(ISSUED)
    reporting.poll()
    answer_with(monkeypatch, Response(429, {"retry-after": "900"}, b"{}", received_at=0.0))
    sweep(reporting)
    due = (reporting.redis.zscore(keys.REPORTS_DUE, "ord-1") or 0) / 1_000
    assert due - reporting.context.stores.accounts.now() > 890
    make_due(reporting)
    assert sweep(reporting) == 0  # the account is throttled: no second request, which would raise StopIteration
    assert reporting.redis.zcard(keys.REPORTS_DUE) == 1


@pytest.mark.parametrize(
    ("status", "body", "taken"),
    [
        (200, b'{"data": {"status": "Rejected"}, "meta": {}}', 1),
        (201, b"", 1),
        (200, b'{"data": [], "errors": ["The order status is invalid."]}', 0),
        (200, b"<html>", 0),
        (404, b'{"errors": {"code": "404"}}', 0),
        (302, b"", 0),
    ],
)
def test_only_a_success_without_errors_means_that_a_report_was_taken(
    reporting: System, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, taken: int
) -> None:
    reporting.submit(ISSUED)
    reporting.poll()
    answer_with(monkeypatch, Response(status, {}, body, received_at=0.0))
    assert sweep(reporting) == taken
    assert reporting.redis.zcard(keys.REPORTS_DUE) == 1 - taken


def test_an_end_that_comes_while_an_earlier_one_is_being_reported_is_reported_too(
    reporting: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporting.submit(OPEN)
    expire(reporting)
    exchange = ProviderTransport.exchange

    def complete_meanwhile(transport: ProviderTransport, account: Any, request: Any) -> Any:
        complete_order(reporting.context, "ord-1", NewTickets(codes=["A"]), ANNA)
        return exchange(transport, account, request)

    with monkeypatch.context() as patch:
        patch.setattr(ProviderTransport, "exchange", complete_meanwhile)
        sweep(reporting)
    sweep(reporting)
    assert reported(reporting) == ["Pending Review", "Approved"]
    assert reporting.redis.zcard(keys.REPORTS_DUE) == 0
