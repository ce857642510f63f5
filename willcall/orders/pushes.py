"""The meanings of a provider's push, and its effect on an order.

`evaluate_push` is for pushes what `decision.decide` is for polls: a pure function of the order, the push and the time.
"""

import math
from dataclasses import dataclass, replace

from willcall.orders.completion import is_completed_by_hand
from willcall.orders.model import OPEN, Attention, EndedBy, Order, OrderDocument, Status, Ticket, can_become
from willcall.orders.order_documents import merge_documents
from willcall.orders.outcomes import Cancelled, Declined, outcome_name
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_ids import with_ids
from willcall.orders.ticket_merging import merge_pushed


@dataclass(frozen=True, slots=True)
class TicketsPush:
    """A push with tickets.

    `complete`: these are all tickets of the order (a parcel). `detail` describes what was wrong with some of them.
    `documents` are files of the order that came with them.
    """

    tickets: tuple[Ticket, ...]
    complete: bool = False
    detail: str | None = None
    documents: tuple[OrderDocument, ...] = ()


@dataclass(frozen=True, slots=True)
class OutcomePush:
    """A push about the end of the order."""

    outcome: Declined | Cancelled


@dataclass(frozen=True, slots=True)
class ChangePush:
    """A push that only says that something changed, so the order has to be polled."""


@dataclass(frozen=True, slots=True)
class InvalidPush:
    """A push about this order without usable content, such as a file that is not a PDF."""

    detail: str


#: All kinds of pushes.
Push = TicketsPush | OutcomePush | ChangePush | InvalidPush

_REFUND = frozenset({Status.FAILED, Status.CANCELLED})


@dataclass(frozen=True, slots=True)
class OrderProgress:
    """The progress of an order after a push, for the adapter's response.

    `stored`: the content of the push is stored. `complete`: the order has all its tickets. It has tickets for
    `ticket_count` people of `expected` (`None`: unknown). `why` explains it without quoting the push. `final_status` is
    that of a failed or cancelled order. `provider_status` is the provider's latest status word.
    """

    stored: bool
    complete: bool = False
    ticket_count: int = 0
    expected: int | None = None
    why: str = ""
    final_status: Status | None = None
    provider_status: str | None = None


@dataclass(frozen=True, slots=True)
class PushResult:
    """The order after a push, and its progress.

    `outcome` is the word for the timeline. `changed`: the order must be written. `poll_needed`: only a poll can show
    what the push left open.
    """

    order: Order
    progress: OrderProgress
    outcome: str
    changed: bool
    poll_needed: bool = False


def evaluate_push(order: Order, push: Push, now: float) -> PushResult:
    """Return what `push`, received at `now`, does to `order`."""
    match push:
        case TicketsPush():
            return _evaluate_tickets(order, push, now)
        case OutcomePush(Declined() as outcome):
            return _evaluate_outcome(order, outcome, Status.FAILED, now)
        case OutcomePush(Cancelled() as outcome):
            return _evaluate_outcome(order, outcome, Status.CANCELLED, now)
        case InvalidPush(detail):
            attention = Attention.MALFORMED if order.status in OPEN else order.attention
            after = replace(order, attention=attention)
            return PushResult(after, progress_of(order, detail, stored=False), "malformed", changed=True)
    return PushResult(order, progress_of(order), "hint", changed=False, poll_needed=True)


def progress_of(order: Order, why: str = "", *, stored: bool = True) -> OrderProgress:
    return OrderProgress(
        stored,
        complete=order.status is Status.FULFILLED,
        ticket_count=count_admissions(order.tickets),
        expected=_needed(order),
        why=why,
        final_status=order.status if order.status in _REFUND else None,
        provider_status=order.provider_status,
    )


def progress_before_order(push: Push) -> OrderProgress:
    """Return the progress of an order that has not been submitted yet."""
    match push:
        case InvalidPush(detail):
            return OrderProgress(stored=False, why=detail)
        case TicketsPush(tickets, complete):
            count = count_admissions(tickets)
            return OrderProgress(stored=True, complete=complete, ticket_count=count, why="ahead of its order")
    return OrderProgress(stored=True, why="ahead of its order")


def _evaluate_tickets(order: Order, push: TicketsPush, now: float) -> PushResult:
    if order.status in _REFUND:
        why = f"the order is {order.status}"
        return PushResult(order, progress_of(order, why, stored=False), "refused", changed=True)
    after = replace(
        order,
        tickets=with_ids(merge_pushed(order.tickets, push.tickets), order.tickets),
        documents=merge_documents(order.documents, push.documents),
    )
    count = count_admissions(after.tickets)
    needed = _needed(order)
    complete = push.complete or order.status is Status.FULFILLED or count >= (needed or math.inf)
    if complete and can_become(order.status, Status.FULFILLED):
        after = _finished(after, Status.FULFILLED, None, now)
    elif order.status is Status.PENDING:
        after = replace(after, status=Status.PARTIAL)
    have = "all in a parcel" if push.complete else f"{count} of {needed or 'an unknown number of'} tickets"
    progress = progress_of(after, f"{have}; {push.detail}" if push.detail else have)
    outcome = "issued" if complete else "partly_issued"
    poll_needed = needed is None and not complete
    return PushResult(after, progress, outcome, changed=after != order, poll_needed=poll_needed)


def _evaluate_outcome(order: Order, outcome: Declined | Cancelled, status: Status, now: float) -> PushResult:
    name = outcome_name(outcome)
    if can_become(order.status, status) and not is_completed_by_hand(order):
        provider_status = outcome.provider_status or order.provider_status
        after = _finished(replace(order, provider_status=provider_status), status, outcome.reason, now)
        return PushResult(after, progress_of(after, outcome.reason), name, changed=True)
    if order.status is status:
        return PushResult(order, progress_of(order, f"still {status}"), name, changed=False)
    why = f"the provider says {status}, yet {order.status} stays"
    return PushResult(order, progress_of(order, why, stored=False), name, changed=True)


def _finished(order: Order, status: Status, reason: str | None, now: float) -> Order:
    return replace(
        order,
        status=status,
        reason=reason,
        attention=None,
        next_poll_at=None,
        hint_until=None,
        finished_at=now,
        ended_by=EndedBy.PROVIDER,
    )


def _needed(order: Order) -> int | None:
    """Return how many tickets the pushes must bring to complete the order without a poll.

    That is the submitted quantity, or a larger number that a poll named. Without a submitted quantity it is `None`, and
    the order has to be polled.
    """
    return order.quantity and max(order.quantity, order.expected or 0)
