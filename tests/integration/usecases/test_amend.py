"""Corrections of what was submitted."""

import time
from datetime import UTC, datetime
from math import inf
from typing import Any

import pytest

from tests.actors import ANNA, SHOP
from tests.integration.usecases.conftest import Setup, System
from willcall.orders.errors import ConflictingOrderError, RejectedOrderError, UnknownOrderError
from willcall.orders.model import OPEN, Status, Ticket, TicketKind
from willcall.orders.pushes import TicketsPush
from willcall.orders.ticket_identity import mark_pushed
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.usecases.amend import amend_order
from willcall.usecases.apply_pushes import apply_push
from willcall.usecases.orders import cancel_order
from willcall.usecases.submit import submit

MINE: dict[str, Any] = {"provider": "paylogic", "account": "user", "reference": "mine"}


def lines(h: System) -> list[tuple[str, str]]:
    return [(entry.outcome, entry.why) for entry in h.context.stores.orders.timeline("ord-1")]


def tiqets(**fields: Any) -> OrderScript:
    return OrderScript(**{"provider": "tiqets", "reference": "1111111", "quantity": 2, "ready_after": 600, **fields})


def test_an_amended_order_keeps_its_schedule_and_says_what_changed(make_system: Setup) -> None:
    h = make_system()
    h.submit(tiqets(), callback_url="http://127.0.0.1:9/hook?token=secret")
    h.poll()
    before = h.order()
    changes = {"quantity": 3, "event_at": "2030-06-01T20:00:00Z", "callback_url": "http://127.0.0.2:9/new?token=secret"}
    assert amend_order(h.context, "ord-1", changes, ANNA)
    order = h.order()
    assert (order.quantity, order.event_at, order.callback_url) == (3, 1906574400.0, changes["callback_url"])
    assert (order.status, order.attempts, order.metadata) == (before.status, before.attempts, before.metadata)
    assert order.updated_at > before.updated_at
    why = "operator anna; quantity 2 to 3, event_at unknown to 2030-06-01T20:00:00Z, callback_url to 127.0.0.2:9"
    assert lines(h)[-1] == ("amended", why)
    assert not amend_order(h.context, "ord-1", changes, ANNA)
    assert amend_order(h.context, "ord-1", {"event_at": None, "callback_url": None}, SHOP)
    assert (h.order().event_at, h.order().callback_url, h.order().quantity) == (None, None, 3)
    assert not h.redis.hexists(keys.order("ord-1"), "event")
    assert len(lines(h)) == 3


def test_submitting_the_original_or_the_amended_content_is_the_same_order(make_system: Setup) -> None:
    h = make_system()
    order = {"id": "ord-1", "provider": "tiqets", "reference": "1", "not_before": "2030-01-01T00:00:00.249Z"}
    order |= {"bought_at": "2026-11-22T10:00:00.123Z", "quantity": 4}
    submit(h.context, order)
    amend_order(h.context, "ord-1", {"quantity": 2, "event_at": "2030-06-01T20:00:00.001Z"}, ANNA)
    amended = {**order, "quantity": 2, "event_at": "2030-06-01T20:00:00.001Z"}
    for content in (order, amended):
        assert not submit(h.context, content).new
    with pytest.raises(ConflictingOrderError):
        submit(h.context, {**order, "quantity": 3})
    assert h.order().quantity == 2


def test_a_partial_order_is_complete_once_its_quantity_is_that_of_its_tickets(make_system: Setup) -> None:
    """The provider lists two tickets and counts none; four were submitted by mistake."""
    h = make_system()
    h.providers.add_orders([OrderScript(**{**MINE, "reference": "order-1", "external_user_id": "mine", "quantity": 2})])
    submit(h.context, {"id": "ord-1", **MINE, "quantity": 4})
    assert h.poll().status is Status.PARTIAL
    sent = len(h.outbox.messages)
    assert amend_order(h.context, "ord-1", {"quantity": 2}, ANNA)
    assert h.outbox.messages[sent:][-1].due <= h.context.stores.accounts.now(), "at once, not after the back-off"
    assert h.poll().status is Status.FULFILLED


def test_pushed_tickets_are_all_as_soon_as_the_quantity_says_so(make_system: Setup) -> None:
    h = make_system()
    h.submit(OrderScript(provider="tixstock", reference="t-1", quantity=4, ready_after=600))
    pushed = tuple(mark_pushed(Ticket(TicketKind.BARCODE, code=code)) for code in ("1", "2"))
    apply_push(h.context, h.context.accounts["tixstock/default"], "ord-1", "order.update", TicketsPush(pushed))
    assert h.order().status is Status.PARTIAL
    amend_order(h.context, "ord-1", {"quantity": 3}, ANNA)
    assert h.order().status is Status.PARTIAL
    amend_order(h.context, "ord-1", {"quantity": 2}, ANNA)
    assert h.order().status is Status.FULFILLED
    assert h.events() == ["order.partial", "order.fulfilled"]


def test_an_answer_to_the_earlier_quantity_completes_nothing(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    h.providers.add_orders([OrderScript(**{**MINE, "reference": "order-1", "external_user_id": "mine", "quantity": 2})])
    submit(h.context, {"id": "ord-1", **MINE, "quantity": 2})
    exchange = h.context.http.exchange

    def amend_first(*arguments: object) -> object:
        amend_order(h.context, "ord-1", {"quantity": 4}, ANNA)
        return exchange(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(h.context.http, "exchange", amend_first)
    order = h.poll()
    assert (order.status, order.quantity, len({ticket.entrance_id for ticket in order.tickets})) == (
        Status.PARTIAL,
        4,
        2,
    )
    assert order.next_poll_at is not None
    assert order.next_poll_at <= time.time() + 1, "another attempt follows at once"


def test_a_pending_event_goes_to_the_new_address_at_once(make_system: Setup) -> None:
    h = make_system()
    h.submit(tiqets(), callback_url="http://127.0.0.1:9/old")
    cancel_order(h.context, "ord-1", ANNA)
    (event,) = h.context.stores.events.list_after(None, 10)
    amend_order(h.context, "ord-1", {"callback_url": "http://127.0.0.2:9/new"}, ANNA)
    name, arguments, countdown = h.outbox.tasks[-1]
    assert (name, arguments[1], arguments[3], countdown) == ("tasks.notify", event.id, "127.0.0.2:9", 0.0)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({}, "body: must have a field to change: quantity, event_at, callback_url or credentials"),
        ({"quantity": 0}, "quantity: "),
        ({"quantity": None}, "quantity: "),
        ({"quantity": True}, "quantity: "),
        ({"event_at": 1906574400}, "event_at: must be a time in ISO 8601"),
        ({"callback_url": "http://192.168.0.1/hook"}, "callback_url: "),
        ({"callback_url": "ftp://example.com"}, "callback_url: must be an http"),
        ({"credentials": {}}, "credentials: has too few entries"),
        ({"reference": "2"}, "reference: is not recognized"),
    ],
)
def test_what_cannot_be_amended_is_refused(make_system: Setup, payload: dict[str, Any], message: str) -> None:
    h = make_system()
    h.submit(tiqets())
    before = h.redis.hgetall(keys.order("ord-1"))
    with pytest.raises(RejectedOrderError, match=message):
        amend_order(h.context, "ord-1", payload, ANNA)
    with pytest.raises(UnknownOrderError):
        amend_order(h.context, "ord-2", {"quantity": 1}, ANNA)
    assert h.redis.hgetall(keys.order("ord-1")) == before
    assert h.order().status in OPEN


def test_an_amended_event_is_listed_where_it_is_now_and_decides_the_risk(make_system: Setup) -> None:
    h = make_system()
    h.submit(tiqets(), event_at="2030-06-01T20:00:00Z")
    now = h.context.stores.accounts.now()
    soon = datetime.fromtimestamp(now + 3 * 3_600, UTC).isoformat()
    amend_order(h.context, "ord-1", {"event_at": soon}, ANNA)
    listed = keys.by_event("tiqets/default", is_open=True)
    (member,) = h.redis.zrange(listed, 0, -1)
    assert int(member.partition(":")[0]) == round((h.order().event_at or 0) * 1_000)
    assert (h.redis.zscore(keys.CHANGES, "ord-1") or inf) <= (now + 1) * 1_000, "looked at at once"
    cancel_order(h.context, "ord-1", ANNA)
    amend_order(h.context, "ord-1", {"event_at": None}, ANNA)
    assert not h.redis.exists(listed, keys.by_event("tiqets/default", is_open=False))
    assert h.redis.zscore(keys.FINAL, "ord-1") == (h.order().finished_at or 0) * 1_000


def test_a_booking_is_as_urgent_as_the_amended_event(make_system: Setup) -> None:
    h = make_system(rate={"limit": 1, "period": 100, "burst": 1})
    h.submit(tiqets(), id="ord-0")
    h.poll("ord-0")
    submit(h.context, {"id": "ord-1", "provider": "tiqets", "reference": "2222222"})
    h.poll()  # books a slot
    urgent = keys.urgent("tiqets/default")
    assert h.redis.zscore(urgent, "order:ord-1") is None
    ranks = []
    for hours in (30, 2):
        event = datetime.fromtimestamp(h.context.stores.accounts.now() + hours * 3_600, UTC).isoformat()
        amend_order(h.context, "ord-1", {"event_at": event}, ANNA)
        ranks.append(h.redis.zscore(urgent, "order:ord-1") or 0)
    assert ranks[0] > ranks[1] > 0
    amend_order(h.context, "ord-1", {"event_at": None}, ANNA)
    assert h.redis.zscore(urgent, "order:ord-1") is None
