"""Notify backends of changes that no commit wrote an event for: of attention, of documents, and of time."""

from collections.abc import Sequence
from dataclasses import replace

from willcall.orders.changes import Snapshot, Update, documents_awaited_until, event_type
from willcall.orders.model import OPEN, Attention, Order
from willcall.orders.risk import Risk, risk_at
from willcall.orders.serialization import order_to_json
from willcall.stores.changes import Candidate, Change
from willcall.stores.deliveries import DeliveryMessage
from willcall.stores.events import NewEvent, new_event_id
from willcall.usecases.context import Context
from willcall.usecases.deliveries import delivery_host, send_delivery


def notify_changes(context: Context, order_ids: Sequence[str]) -> None:
    """Look at orders, write the events about what is new, and send their messages."""
    now = context.stores.accounts.now()
    changes = [find_change(context, candidate, now) for candidate in context.stores.changes.read(order_ids)]
    send_changes(context, context.stores.changes.write(changes))


def send_changes(context: Context, messages: Sequence[DeliveryMessage]) -> None:
    for message in messages:
        send_delivery(context, message)


def find_change(context: Context, candidate: Candidate, now: float) -> Change:
    """Return what is new about an order at `now`."""
    order, rules = candidate.order, context.settings.notify
    risk = _risk(order, now, rules.at_risk)
    after = replace(order, at_risk=risk.at_risk, risk_notices=risk.count)
    awaited_until = documents_awaited_until(order, rules.wait_for_documents)
    if awaited_until is not None and now < awaited_until:
        return Change(candidate, after, None, awaited_until)
    last, current = Snapshot.last(order), Snapshot.of(order)
    kind = event_type(last, current) or (Update.AT_RISK if risk.count > order.risk_notices else None)
    if kind is None:
        return Change(candidate, replace(after, notified=str(last)), None, risk.next_at)
    after = replace(after, notified=str(current))
    return Change(candidate, after, new_event(context, kind, after), risk.next_at)


def new_event(context: Context, kind: str, order: Order) -> NewEvent:
    """Return an event with the whole order. That an earlier event was undeliverable is no part of a new one."""
    attention = None if order.attention is Attention.UNDELIVERABLE else order.attention
    at_risk = order.at_risk and order.status in OPEN
    order = replace(order, attention=attention, at_risk=at_risk)
    return NewEvent(new_event_id(), kind, order_to_json(order), delivery_host(context, order))


def attention_event(order: Order) -> NewEvent:
    """Return an event for the feed alone: that notifying the backend failed, or is tried again."""
    return NewEvent(new_event_id(), Update.ATTENTION, order_to_json(order))


def _risk(order: Order, now: float, lead: float) -> Risk:
    """Return the risk of an order. One that is final has all its tickets, or its end says that it gets none."""
    if order.status not in OPEN or order.event_at is None:
        return Risk(0, None)
    return risk_at(now, order.submitted_at, order.event_at, lead)
