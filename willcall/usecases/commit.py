"""Write a step of an order, and send the messages that follow from it."""

from dataclasses import replace

import structlog

from willcall.orders.model import Attention, Order, Status
from willcall.orders.serialization import order_to_json
from willcall.orders.statistics import commit_statistics, counter_names
from willcall.orders.user_lists import ticket_keys
from willcall.providers.base import Account
from willcall.stores.commits import Commit, NewEvent, OwnedTickets
from willcall.stores.events import new_event_id
from willcall.stores.messages import PollMessage
from willcall.usecases.alerts import send_alert
from willcall.usecases.context import Context
from willcall.usecases.deliveries import delivery_host, send_first_delivery

log = structlog.get_logger(__name__)

#: Statuses in which an order owns no tickets.
_REFUNDED = frozenset({Status.FAILED, Status.CANCELLED})


def write_commit(context: Context, commit: Commit, claim_id: str = "") -> float | None:
    """Write a commit and send its event and alert.

    Returns when the order is due next, 0.0 if it is not, or None if another step changed the order first: then nothing
    was written.
    """
    measured = commit_statistics(commit.before, commit.after, commit.attempt if claim_id else None)
    account = context.accounts.get(commit.after.account_key)
    commit = replace(
        commit,
        measures=counter_names(measured),
        owns=_owned_tickets(account, commit),
        event=commit.event and replace(commit.event, host=delivery_host(context, commit.after)),
        bucket=account.bucket if account else "",
    )
    committed = context.stores.commits.write(commit, claim_id)
    due = committed.due if committed else None
    if committed:
        context.send_expedited(committed.reschedules)
        context.meters.count_commit(commit.after.account_key, measured)
    # Only the Lua step knows whether an order that stops needing attention for one reason is still undeliverable.
    # In that case a sweep sends the alert.
    if due is not None and commit.alert and commit.after.attention:
        send_alert(context, commit.alert)
    if due is not None and commit.event:
        log.info("order", order=commit.after.id, account=commit.after.account_key, status=commit.after.status.value)
        send_first_delivery(context, commit.after, commit.event)
    return due


def next_message(commit: Commit, due: float) -> PollMessage | None:
    """Return the next message of the chain, if the order is due again."""
    return PollMessage(commit.before.id, commit.before.seq + 1, due) if due else None


def status_event(before: Order, after: Order) -> NewEvent | None:
    """Return the event of a change of status. That an earlier event was undeliverable is no part of the new one."""
    if before.status is after.status:
        return None
    if after.attention is Attention.UNDELIVERABLE:
        after = replace(after, attention=None)
    return NewEvent(new_event_id(), f"order.{after.status}", order_to_json(after))


def late_check_at(context: Context, order: Order, now: float) -> float | None:
    """Return when an expired order is polled once more, or None if it no longer is."""
    sweeps = context.settings.sweeps
    if order.status is not Status.EXPIRED or order.finished_at is None:
        return None
    at = now + sweeps.late_every
    return at if at <= order.finished_at + sweeps.late_for else None


def _owned_tickets(account: Account | None, commit: Commit) -> OwnedTickets | None:
    """Return which tickets an order owns from now on, or None if that is unchanged or irrelevant.

    It matters only at providers that list a user's tickets of several orders. A failed or cancelled order owns none.
    """
    order = commit.after
    ended = order.status in _REFUNDED and commit.before.status is not order.status
    if account is None or account.adapter.user_lists is None or not (commit.tickets or ended):
        return None
    keys = frozenset[str]() if order.status in _REFUNDED else ticket_keys(order.tickets)
    return OwnedTickets(keys, exclusive=account.adapter.is_user_list(order.reference))
