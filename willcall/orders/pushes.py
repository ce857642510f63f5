"""What a provider's push can mean, and what it does to an order.

`receive` is to pushes what `policy.decide` is to polls: a pure function of the order, the push and the time.
"""

import math
from dataclasses import dataclass, replace

from willcall.orders.model import Attention, Order, Status, Ticket
from willcall.orders.outcomes import Cancelled, Declined, outcome_name
from willcall.orders.states import OPEN, can_become
from willcall.orders.ticket_merging import merge_pushed
from willcall.orders.tickets import count_admissions


@dataclass(frozen=True, slots=True)
class TicketsPush:
    """Tickets. `whole`: they are all of the order (a parcel). `detail`: what was odd about them."""

    tickets: tuple[Ticket, ...]
    complete: bool = False
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class OutcomePush:
    """A final word of the provider."""

    outcome: Declined | Cancelled


@dataclass(frozen=True, slots=True)
class ChangePush:
    """Something changed: ask. It says nothing by itself."""


@dataclass(frozen=True, slots=True)
class InvalidPush:
    """A push of the provider's about this order that holds nothing of use, such as a file that is no PDF."""

    detail: str


_REFUND = frozenset({Status.FAILED, Status.CANCELLED})

#: The closed set.
Push = TicketsPush | OutcomePush | ChangePush | InvalidPush


@dataclass(frozen=True, slots=True)
class OrderProgress:
    """How things stand after a push, for the answer to it.

    `stored`: we have what it brought. `complete`: the order has all its tickets; it has tickets for `count`
    people of `expected` (None: nobody said). `why`: in words, without anything that the push held. `ended`: the
    order is failed or cancelled. `word`: the provider's latest status word.
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
    """The order as it shall be, and how it stands then.

    `outcome` is the word for the timeline. `changed`: there is something to write. `ask`: the provider has to be
    asked what the push left open.
    """

    order: Order
    progress: OrderProgress
    outcome: str
    changed: bool
    poll_needed: bool = False


def evaluate_push(order: Order, push: Push, now: float) -> PushResult:
    """What `push`, received at `now`, does to `order`."""
    match push:
        case TicketsPush():
            return _evaluate_tickets(order, push, now)
        case OutcomePush(Declined() as outcome):
            return _evaluate_final_status(order, outcome, Status.FAILED, now)
        case OutcomePush(Cancelled() as outcome):
            return _evaluate_final_status(order, outcome, Status.CANCELLED, now)
        case InvalidPush(detail):
            attention = Attention.MALFORMED if order.status in OPEN else order.attention
            after = replace(order, attention=attention)
            return PushResult(after, progress_of(order, detail, stored=False), "malformed", changed=True)
    return PushResult(order, progress_of(order), "hint", changed=False, poll_needed=True)


def progress_before_order(push: Push) -> OrderProgress:
    """How things stand while nobody knows the order."""
    match push:
        case InvalidPush(detail):
            return OrderProgress(stored=False, why=detail)
        case TicketsPush(tickets, whole):
            return OrderProgress(
                stored=True, complete=whole, ticket_count=count_admissions(tickets), why="ahead of its order"
            )
    return OrderProgress(stored=True, why="ahead of its order")


def _evaluate_tickets(order: Order, push: TicketsPush, now: float) -> PushResult:
    if order.status in _REFUND:
        why = f"the order is {order.status}"
        return PushResult(order, progress_of(order, why, stored=False), "refused", changed=True)
    after = replace(order, tickets=merge_pushed(order.tickets, push.tickets))
    count = count_admissions(after.tickets)
    needed = _needed(order)
    complete = push.complete or order.status is Status.FULFILLED or count >= (needed or math.inf)
    if complete and can_become(order.status, Status.FULFILLED):
        after = _ended(after, Status.FULFILLED, None, now)
    elif order.status is Status.PENDING:
        after = replace(after, status=Status.PARTIAL)
    have = "all in a parcel" if push.complete else f"{count} of {needed or 'an unknown number of'} tickets"
    progress = progress_of(after, f"{have}; {push.detail}" if push.detail else have)
    outcome = "issued" if complete else "partly_issued"
    poll_needed = needed is None and not complete
    return PushResult(after, progress, outcome, changed=after != order, poll_needed=poll_needed)


def _evaluate_final_status(order: Order, outcome: Declined | Cancelled, status: Status, now: float) -> PushResult:
    name = outcome_name(outcome)
    if can_become(order.status, status):
        word = outcome.provider_status or order.provider_status
        after = _ended(replace(order, provider_status=word), status, outcome.reason, now)
        return PushResult(after, progress_of(after, outcome.reason), name, changed=True)
    if order.status is status:
        return PushResult(order, progress_of(order, f"still {status}"), name, changed=False)
    why = f"the provider says {status}, yet {order.status} stays"
    return PushResult(order, progress_of(order, why, stored=False), name, changed=True)


def _ended(order: Order, status: Status, reason: str | None, now: float) -> Order:
    return replace(
        order, status=status, reason=reason, attention=None, next_poll_at=None, hint_until=None, finished_at=now
    )


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


def _needed(order: Order) -> int | None:
    """Return how many tickets pushes alone must bring to complete the order.

    That is what its caller says, or the provider's own number where polls told of a larger one. `None` where the
    caller does not say: then the provider is asked.
    """
    return order.quantity and max(order.quantity, order.expected or 0)
