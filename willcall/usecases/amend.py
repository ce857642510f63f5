"""Correct what was submitted of an order."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog

from willcall.orders.callbacks import CallbackStatus
from willcall.orders.errors import FieldError, NothingToDeliverError, RejectedOrderError
from willcall.orders.history import Action, Actor, timeline_entry
from willcall.orders.model import CLOSED, OPEN, Order, Status
from willcall.orders.pushes import TicketsPush, evaluate_push
from willcall.orders.serialization import rfc3339
from willcall.orders.submission import parse_amendment
from willcall.orders.ticket_identity import any_pushed
from willcall.orders.urls import callback_host
from willcall.stores.commits import Commit
from willcall.stores.schedule import Requester
from willcall.usecases.commit import next_message, write_commit
from willcall.usecases.context import Context
from willcall.usecases.credentials import replace_credentials
from willcall.usecases.notify import redeliver
from willcall.usecases.orders import expedite_poll, get_unerased_order

log = structlog.get_logger(__name__)


def amend_order(context: Context, order_id: str, payload: Mapping[str, Any], actor: Actor) -> bool:
    """Change the quantity, the event's time or the callback URL of an order. Returns False if they are so already.

    After a change of the quantity it is decided anew whether the order has all its tickets: at once if they were
    pushed, otherwise by a poll as soon as the provider allows. A new callback URL gets an event that is pending or
    could not be delivered at once. Credentials of the order's own user replace those that it has.

    Raises UnknownOrderError, ErasedOrderError, RejectedOrderError with all errors of the payload, and ClosedOrderError
    for credentials of an order that needs none any more.
    """
    amendment = parse_amendment(payload)
    changes = amendment.changes()
    why = context.outbound.refusal(changes["callback_url"]) if changes.get("callback_url") else None
    if why:
        raise RejectedOrderError([FieldError("callback_url", why)])
    if amendment.credentials:
        replace_credentials(context, order_id, amendment.credentials, actor)
    while True:
        before = get_unerased_order(context, order_id)
        amended = replace(before, **changes)
        if amended == before:
            return bool(amendment.credentials)
        if _settle(context, before, amended, changes, actor):
            break
    log.info("amended", order=order_id, account=before.account_key, fields=sorted(changes), by=actor.name)
    without_slot = amended.event_at != before.event_at and before.next_poll_at is None
    if amended.quantity != before.quantity or without_slot:
        _poll_again(context, get_unerased_order(context, order_id))
    if amended.callback_url != before.callback_url:
        _deliver_elsewhere(context, order_id, actor)
    return True


def _settle(context: Context, before: Order, amended: Order, changes: Mapping[str, Any], actor: Actor) -> bool:
    """Write the amended order. Returns False if another step changed it first."""
    now = context.stores.accounts.now()
    after = _decide_anew(before, amended, now)
    commit = Commit(
        before=before,
        after=after,
        keep_schedule=after.status is before.status,
        attempt=timeline_entry(Action.AMENDED, actor, now, _describe(before, amended)),
        look_at=None if amended.event_at == before.event_at else now,
        amended=context.stores.submissions.amended(before, changes),
    )
    due = write_commit(context, commit)
    if due is None:
        return False
    message = next_message(commit, due)
    context.send_polls(after.account_key, [message] if message else [])
    return True


def _decide_anew(before: Order, amended: Order, now: float) -> Order:
    """Return the amended order, fulfilled if its pushed tickets are all by the new quantity."""
    if amended.quantity == before.quantity or amended.status not in OPEN or not any_pushed(amended.tickets):
        return amended
    return evaluate_push(amended, TicketsPush(()), now).order


def _poll_again(context: Context, order: Order) -> None:
    account = context.accounts.get(order.account_key)
    if account and order.status not in CLOSED | {Status.FULFILLED}:
        expedite_poll(context, account, order.id, Requester.OPERATOR)


def _deliver_elsewhere(context: Context, order_id: str, actor: Actor) -> None:
    """Send an event that was not delivered yet to the new address."""
    delivery = context.stores.deliveries.get(order_id)
    if delivery and delivery.status is not CallbackStatus.DELIVERED:
        with suppress(NothingToDeliverError):
            redeliver(context, order_id, actor)


def _describe(before: Order, after: Order) -> str:
    """Return what changes, in words that hold no secret part of a URL."""
    changed = []
    if after.quantity != before.quantity:
        changed.append(f"quantity {before.quantity or 'unknown'} to {after.quantity}")
    if after.event_at != before.event_at:
        changed.append(f"event_at {rfc3339(before.event_at) or 'unknown'} to {rfc3339(after.event_at) or 'unknown'}")
    if after.callback_url != before.callback_url:
        to = f"to {callback_host(after.callback_url)}" if after.callback_url else "removed"
        changed.append(f"callback_url {to}")
    return ", ".join(changed)
