"""Events of many orders that are delivered again."""

import pytest

from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from willcall.orders.callbacks import CallbackStatus, DeliveryDecision
from willcall.orders.history import Actor
from willcall.stores import keys
from willcall.stores.deliveries import DeliveryAttempt, DeliveryMessage
from willcall.usecases import notify, redeliveries
from willcall.usecases.context import Context
from willcall.usecases.erase import erase_order
from willcall.usecases.orders import cancel_order
from willcall.usecases.redeliveries import Redelivery, redeliver_many
from willcall.usecases.submit import submit

URL, HOST = "http://127.0.0.1:9/hook", "127.0.0.1:9"


def ended(h: System, order_id: str, state: CallbackStatus, url: str | None = URL) -> str:
    """Cancel an order and settle its delivery. Returns the id of the event."""
    submit(h.context, {"id": order_id, "provider": "tiqets", "reference": order_id, "callback_url": url})
    cancel_order(h.context, order_id, ANNA)
    event = h.context.stores.events.list_for_order(order_id)[-1]
    if state is not CallbackStatus.PENDING:
        message = DeliveryMessage(order_id, event.id, 1, HOST)
        h.context.stores.deliveries.claim(message, "claim", 60)
        attempt = DeliveryAttempt(h.context.stores.accounts.now(), event.id, event.type, 500, "", None)
        h.context.stores.deliveries.record_delivery(message, "claim", attempt, DeliveryDecision(state, None))
    return event.id


def sent(h: System) -> list[str]:
    """Return the orders whose event was sent since, and forget them."""
    found = [arguments[0] for name, arguments, _ in h.outbox.tasks if name == "tasks.notify"]
    h.outbox.tasks.clear()
    return found


def system(make_system: Setup) -> tuple[System, float]:
    """Return a system with four orders, and a time before the last two."""
    h = make_system()
    ended(h, "delivered", CallbackStatus.DELIVERED)
    ended(h, "pending", CallbackStatus.PENDING)
    since = h.context.stores.accounts.now() + 0.001
    while h.context.stores.accounts.now() <= since:
        pass
    ended(h, "given-up", CallbackStatus.UNDELIVERABLE)
    ended(h, "of-late", CallbackStatus.DELIVERED)
    sent(h)
    return h, since


def test_what_was_not_delivered_is_sent_again_under_its_id(make_system: Setup) -> None:
    h, since = system(make_system)
    before = h.context.stores.deliveries.get("given-up")
    assert redeliver_many(h.context, Redelivery(undelivered=True), ANNA).redelivered == 2
    assert sent(h) == ["pending", "given-up"]
    after = h.context.stores.deliveries.get("given-up")
    assert before
    assert after
    assert (after.event_id, after.status) == (before.event_id, CallbackStatus.PENDING)
    assert redeliver_many(h.context, Redelivery(since, undelivered=True), ANNA).redelivered == 1
    assert sent(h) == ["given-up"]
    timeline = h.context.stores.orders.timeline("pending")
    assert (timeline[-1].outcome, timeline[-1].why) == ("redelivered", f"operator anna; to {HOST}")
    assert [entry.detail.partition(" since")[0] for entry in h.context.stores.history.newest([])] == [
        "1 undelivered event",
        "2 undelivered events",
    ]


def test_every_order_with_an_event_since_is_sent_once(make_system: Setup) -> None:
    h, since = system(make_system)
    assert redeliver_many(h.context, Redelivery(since), ANNA).redelivered == 2
    assert sent(h) == ["given-up", "of-late"]
    ended(h, "without-address", CallbackStatus.PENDING, url=None)
    result = redeliver_many(h.context, Redelivery(0.0), ANNA)
    assert (result.redelivered, result.skipped, result.next_cursor) == (4, 1, None)
    assert sorted(sent(h)) == ["delivered", "given-up", "of-late", "pending"]


def test_an_order_that_is_erased_meanwhile_keeps_no_other_from_being_sent(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h, since = system(make_system)

    def redeliver(context: Context, order_id: str, actor: Actor) -> DeliveryMessage:
        if order_id == "given-up":
            erase_order(context, order_id, actor)
        return notify.redeliver(context, order_id, actor)

    monkeypatch.setattr(redeliveries, "redeliver", redeliver)
    result = redeliver_many(h.context, Redelivery(since), ANNA)
    assert (result.redelivered, result.skipped, sent(h)) == (1, 1, ["of-late"])


def test_a_client_has_only_its_own_orders_delivered_again(make_system: Setup) -> None:
    h, _ = system(make_system)
    for undelivered in (True, False):
        result = redeliver_many(h.context, Redelivery(0.0, undelivered, client="shop"), ANNA)
        assert (result.redelivered, sent(h)) == (0, [])


@pytest.mark.parametrize("undelivered", [True, False])
def test_calls_continue_where_the_one_before_stopped(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch, *, undelivered: bool
) -> None:
    monkeypatch.setattr(redeliveries, "_BATCH", 2)
    h = make_system()
    states = [CallbackStatus.PENDING, CallbackStatus.UNDELIVERABLE]
    orders = [f"ord-{number}" for number in range(10)]
    for number, order_id in enumerate(orders):
        ended(h, order_id, states[number % 2])
    for order_id in orders[:6:2]:  # since the same millisecond
        h.redis.zadd(keys.DELIVERIES_PENDING, {order_id: 1_000})
        h.redis.hset(keys.delivery(order_id), "since", 1_000)
    sent(h)
    found, cursor, calls = [], None, 0
    while True:
        wanted = Redelivery(None if undelivered else 0.0, undelivered)
        result = redeliver_many(h.context, wanted, ANNA, cursor, budget=0.0)
        found += sent(h)
        calls, cursor = calls + 1, result.next_cursor
        if cursor is None:
            break
    assert sorted(found) == orders
    assert calls > 3


def test_a_cursor_of_something_else_is_refused(make_system: Setup) -> None:
    h = make_system()
    for undelivered, cursor in ((True, "1-0"), (False, "pending:1"), (True, "pending:"), (False, "x")):
        with pytest.raises(ValueError, match="not a cursor"):
            redeliver_many(h.context, Redelivery(0.0, undelivered), ANNA, cursor)
