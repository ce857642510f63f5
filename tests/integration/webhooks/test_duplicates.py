"""Two orders of one reference: a mistake, unless the caller says otherwise or the reference is a user's list."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.usecases.conftest import Setup, System
from tests.integration.webhooks.conftest import OpenWebhooks, WebhookHarness, general, seat
from willcall.orders.errors import DuplicateOrderError, NotNowError, WillcallError
from willcall.orders.history import Actor
from willcall.orders.model import Status
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.polls import PollVerdict
from willcall.usecases.accounts import resume
from willcall.usecases.erase import erase_order
from willcall.usecases.look import look
from willcall.usecases.orders import cancel_order, request_poll
from willcall.usecases.submit import AcceptedOrder, submit, submit_many

ANNA = Actor("operator anna")


def payload(order_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": order_id, "provider": "tixstock", "reference": "o-1", "quantity": 2, **fields}


@pytest.fixture
def system(make_system: Setup) -> System:
    return make_system(callbacks=True, polling={"minimum": 30})


@pytest.fixture
def harness(system: System, open_webhooks: OpenWebhooks) -> WebhookHarness:
    return WebhookHarness(system, open_webhooks(system.context))


def test_a_second_open_order_of_a_reference_is_refused_until_the_first_has_ended(system: System) -> None:
    submit(system.context, payload("ord-1"))
    assert not submit(system.context, payload("ord-1")).new
    with pytest.raises(DuplicateOrderError, match="order ord-1 with the same reference is open"):
        submit(system.context, payload("ord-2"))
    assert system.context.stores.orders.get("ord-2") is None
    submit(system.context, payload("ord-3", provider="tiqets", reference="7654321"))
    cancel_order(system.context, "ord-1", ANNA)
    assert submit(system.context, payload("ord-2")).new


def test_an_order_behind_a_cancelled_duplicate_is_found(system: System) -> None:
    submit(system.context, payload("ord-1"))
    submit(system.context, payload("ord-2", allow_duplicate=True))
    cancel_order(system.context, "ord-2", ANNA)
    with pytest.raises(DuplicateOrderError, match="order ord-1 with the same reference is open"):
        submit(system.context, payload("ord-3"))


def test_a_batch_takes_one_of_two_duplicates(system: System) -> None:
    first, second, third = submit_many(system.context, [payload("ord-1"), payload("ord-2"), payload("ord-1")])
    assert isinstance(first, AcceptedOrder)
    assert isinstance(second, DuplicateOrderError)
    assert third == AcceptedOrder("ord-1", new=False)


def test_one_of_two_submissions_at_once_wins(system: System) -> None:
    def attempt(number: int) -> AcceptedOrder | WillcallError:
        return submit_many(system.context, [payload(f"ord-{number}")])[0]

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(attempt, range(16)))
    assert sum(isinstance(result, AcceptedOrder) for result in results) == 1
    assert sum(isinstance(result, DuplicateOrderError) for result in results) == 15
    assert system.redis.zcard(keys.index("tixstock/default", Status.PENDING)) == 1


def test_the_interval_of_duplicates_counts_from_a_poll_before_the_second_was_submitted(system: System) -> None:
    system.submit(OrderScript(provider="tixstock", reference="o-1", quantity=2, ready_after=600))
    system.poll()
    submit(system.context, payload("ord-2", allow_duplicate=True))
    assert system.poll("ord-2").attempts == 0
    assert len(system.providers.ledger(provider="tixstock")) == 1


def test_a_hint_holds_for_a_duplicate_that_is_submitted_later(system: System) -> None:
    busy = {"do": "status", "status": 503, "retry_after": 500, "times": 1}
    system.submit(OrderScript(provider="tixstock", reference="o-1", quantity=2, answers=(busy,)))
    hint = system.poll().hint_until
    submit(system.context, payload("ord-2", allow_duplicate=True))
    assert system.order("ord-2").next_poll_at == hint
    resume(system.context, system.context.accounts["tixstock/default"], ANNA, override=True)
    assert (system.order("ord-2").next_poll_at or 0) < (hint or 0)


def test_duplicates_share_one_minimum_interval(system: System) -> None:
    for number in (1, 2, 3):
        submit(system.context, payload(f"ord-{number}", allow_duplicate=True))
    submit(system.context, payload("ord-4", reference="o-2"))
    account = system.context.accounts["tixstock/default"]

    def claim(order_id: str) -> PollVerdict:
        polls = system.context.stores.polls
        return polls.claim((order_id, 1), account.key, order_id, 60, account.rate, minimum=30).verdict

    assert [claim(f"ord-{number}") for number in (1, 2, 3, 4)] == ["go", "wait", "wait", "go"]
    digest = system.order("ord-2").sharing or ""
    left = system.redis.pttl(keys.shared_interval(account.key, digest))
    due = system.redis.zscore(keys.due(account.key), "ord-2") or 0
    assert abs(due / 1_000 - left / 1_000 - system.context.stores.accounts.now()) < 5
    system.redis.delete(keys.shared_interval(account.key, digest))
    system.redis.hset(keys.order("ord-3"), "due", 1)
    assert claim("ord-3") == "go"


def test_orders_of_two_accounts_of_one_client_share_the_minimum_interval(system: System) -> None:
    script = OrderScript(provider="voordemensen", reference="key-1", quantity=1, ready_after=600)
    system.providers.add_orders([script])
    accounts = system.context.accounts
    other = replace(accounts["voordemensen/default"], name="other")
    system = replace(system, context=replace(system.context, accounts={**accounts, other.key: other}))
    order = {"provider": "voordemensen", "reference": "key-1", "quantity": 1}
    submit(system.context, {"id": "ord-1", **order})
    submit(system.context, {"id": "ord-2", **order, "account": "other"})
    assert [system.poll(order_id).attempts for order_id in ("ord-1", "ord-2")] == [1, 0]
    with pytest.raises(NotNowError, match="no request about this reference is allowed before"):
        look(system.context, {**order, "account": "other"}, ANNA)
    assert len(system.providers.ledger(provider="voordemensen")) == 1


@pytest.mark.parametrize(("language", "attempts"), [("en", 1), ("nl", 0)])
def test_duplicates_in_one_language_share_an_answer(system: System, language: str, attempts: int) -> None:
    system.submit(OrderScript(provider="tixstock", reference="o-1", quantity=2, ready_after=600), language="en")
    submit(system.context, payload("ord-2", allow_duplicate=True, language=language))
    system.poll()
    assert system.order("ord-2").attempts == attempts


def test_pushes_reach_all_duplicates(harness: WebhookHarness) -> None:
    system = harness.system
    submit(system.context, payload("ord-1"))
    submit(system.context, payload("ord-2", allow_duplicate=True))
    for number in (1, 2):
        assert harness.answer(seat(number))["success"] is True
    first, second = system.order("ord-1"), system.order("ord-2")
    assert (first.status, second.status) == (Status.FULFILLED, Status.FULFILLED)
    files = {ticket.document for order in (first, second) for ticket in order.tickets}
    assert len(files) == 4
    # A repeated push changes nothing.
    assert harness.answer(seat(1))["success"] is True
    assert (system.order("ord-1"), system.order("ord-2")) == (first, second)
    # Nor does the end of one of them.
    erase_order(system.context, "ord-2", ANNA)
    assert harness.answer(general("late"))["success"] is True
    assert system.context.stores.orders.find_by_reference("tixstock/default", "o-1") == ["ord-1"]


def test_a_duplicate_of_the_release_before_is_known_by_the_index_of_references(system: System) -> None:
    submit(system.context, payload("ord-1"))
    # That release lets a second order take the place of the first in the index.
    submit(system.context, payload("ord-2", reference="o-2"))
    system.redis.hset(keys.references("tixstock/default"), "o-1", "ord-2")
    with pytest.raises(DuplicateOrderError, match="order ord-2 with the same reference is open"):
        submit(system.context, payload("ord-3"))
    submit(system.context, payload("ord-3", allow_duplicate=True))
    assert system.context.stores.orders.find_by_reference("tixstock/default", "o-1") == ["ord-3", "ord-2"]


def test_orders_of_one_user_share_an_answer(system: System) -> None:
    script = OrderScript.model_validate(
        {"provider": "funtrips", "reference": "checkout-1", "external_user_id": "u-1", "quantity": 2}
    )
    system.providers.add_orders([script])
    for number in (1, 2, 3):
        user = {"provider": "funtrips", "reference": "user:u-1", "quantity": 2}
        submit(system.context, payload(f"ord-{number}", **user))
    system.poll("ord-1")
    orders = [system.order(f"ord-{number}") for number in (1, 2, 3)]
    assert [order.attempts for order in orders] == [1, 1, 1]
    assert [order.status for order in orders].count(Status.FULFILLED) == 1
    assert [order.seq for order in orders] == [2, 2, 2]
    due = {message.order_id for message in system.outbox.messages if message.seq == 2}
    assert due == {order.id for order in orders if order.status is Status.PENDING}


def test_a_duplicate_that_has_ended_still_gets_pushes(system: System) -> None:
    system.providers.add_orders([OrderScript(provider="tixstock", reference="o-1", quantity=2)])
    submit(system.context, payload("ord-1"))
    submit(system.context, payload("ord-2", allow_duplicate=True))
    for _ in range(2):
        request_poll(system.context, "ord-2", ANNA)
        system.redis.delete(keys.shared_interval("tixstock/default", system.order("ord-2").sharing or ""))
        system.poll("ord-2")
    assert (system.order("ord-1").status, system.order("ord-2").status) == (Status.FULFILLED, Status.FULFILLED)
    assert system.order("ord-2").attempts == 2
    assert system.context.stores.orders.find_by_reference("tixstock/default", "o-1") == ["ord-2", "ord-1"]
