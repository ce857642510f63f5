"""Write a step of an order, and send the messages that follow from it."""

from dataclasses import replace
from typing import Literal

import structlog

from willcall.orders.changes import Snapshot, documents_awaited_until, event_type
from willcall.orders.errors import ErasedOrderError
from willcall.orders.model import EndedBy, Order, Status
from willcall.orders.statistics import commit_statistics, counter_names
from willcall.orders.user_lists import ticket_keys
from willcall.providers.base import Account
from willcall.providers.reports import REPORTED, OrderEnd
from willcall.stores.commits import Commit, OwnedTickets
from willcall.stores.messages import PollMessage
from willcall.usecases.alerts import send_alert
from willcall.usecases.changes import new_event
from willcall.usecases.context import Context
from willcall.usecases.deliveries import send_delivery

log = structlog.get_logger(__name__)

#: Statuses in which an order owns no tickets.
_REFUNDED = frozenset({Status.FAILED, Status.CANCELLED})


def write_commit(context: Context, commit: Commit, claim_id: str = "") -> float | None:
    """Write a commit with the event about what it changes, and send the messages about that event and its alert.

    Returns when the order is due next, 0.0 if it is not, or None if another step changed the order first: then nothing
    was written. Raises ErasedOrderError for a step from an order that was read after it was erased.
    """
    if commit.before.erased_at is not None:
        raise ErasedOrderError(commit.before.id)
    measured = commit_statistics(commit.before, commit.after, commit.attempt if claim_id else None)
    account = context.accounts.get(commit.after.account_key)
    commit = replace(
        _with_event(context, commit),
        measures=counter_names(measured),
        owns=_owned_tickets(account, commit),
        report=_report(account, commit),
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
    if due is not None and commit.before.status is not commit.after.status:
        log.info("order", order=commit.after.id, account=commit.after.account_key, status=commit.after.status.value)
    if committed and committed.delivery:
        send_delivery(context, committed.delivery)
    return due


def next_message(commit: Commit, due: float) -> PollMessage | None:
    """Return the next message of the chain, if the order is due again."""
    return PollMessage(commit.before.id, commit.before.seq + 1, due) if due else None


def _with_event(context: Context, commit: Commit) -> Commit:
    """Return the commit with the event about what it changes.

    `order.fulfilled` may wait for documents; `look_at` is until when. If the order changes its status meanwhile, that
    event is in the feed only.
    """
    before, after = commit.before, commit.after
    last = Snapshot.last(before)
    after = replace(after, notified=str(last))
    awaited_until = documents_awaited_until(after, context.settings.notify.wait_for_documents)
    if awaited_until is not None:
        return replace(commit, after=after, look_at=awaited_until)
    current = Snapshot.of(after)
    kind = event_type(last, current)
    if kind is None:
        return replace(commit, after=after)
    after = replace(after, notified=str(current))
    superseded = before.status.value not in {last.status, current.status}
    return replace(
        commit,
        after=after,
        event=new_event(context, kind, after),
        held_back=new_event(context, f"order.{before.status}", before) if superseded else None,
    )


def late_check_at(context: Context, order: Order, now: float) -> float | None:
    """Return when an expired order is polled once more, or None if it no longer is.

    An order with credentials of its own user is not: they are forgotten at its end.
    """
    sweeps = context.settings.sweeps
    if order.status is not Status.EXPIRED or order.finished_at is None or order.user_bound:
        return None
    at = now + sweeps.late_every
    return at if at <= order.finished_at + sweeps.late_for else None


def _owned_tickets(account: Account | None, commit: Commit) -> OwnedTickets | None:
    """Return which tickets an order owns from now on, or None if that is unchanged or irrelevant.

    It matters only at providers that list a user's tickets of several orders. A failed or cancelled order owns none.
    """
    order = commit.after
    refund_changed = (order.status in _REFUNDED) is not (commit.before.status in _REFUNDED)
    if account is None or account.adapter.user_lists is None or not (commit.tickets or refund_changed):
        return None
    keys = frozenset[str]() if order.status in _REFUNDED else ticket_keys(order.tickets)
    return OwnedTickets(keys, exclusive=account.adapter.is_user_list(order.reference))


def _report(account: Account | None, commit: Commit) -> Literal["send", "drop"] | None:
    """Return whether the provider is to know how the order ended, or None if its status stays.

    It knows already if it ended the order itself, or by our response to its push. A person who completes an order that
    the provider has refunded does not contradict the provider.
    """
    before, after = commit.before, commit.after
    if before.status is after.status:
        return None
    refunded = before.status in _REFUNDED and before.ended_by is EndedBy.PROVIDER
    reports = account.adapter.reports if account else None
    if account is None or reports is None or commit.replied or refunded or after.status not in REPORTED:
        return "drop"
    return "send" if reports.report_word(OrderEnd.of(after), account.credentials) else "drop"
