"""What a provider's push can mean, and what it does to an order.

`receive` is to pushes what `policy.decide` is to polls: a pure function of the order, the push and the time.
"""

import math
from dataclasses import dataclass, replace

from willcall.orders.model import Attention, Order, Status, Ticket
from willcall.orders.outcomes import Cancelled, Declined, outcome_name
from willcall.orders.states import OPEN, may_become
from willcall.orders.ticket_merging import added
from willcall.orders.tickets import admitted


@dataclass(frozen=True, slots=True)
class Arrived:
    """Tickets. `whole`: they are all of the order (a parcel). `detail`: what was odd about them."""

    tickets: tuple[Ticket, ...]
    whole: bool = False
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A final word of the provider."""

    outcome: Declined | Cancelled


@dataclass(frozen=True, slots=True)
class Hint:
    """Something changed: ask. It says nothing by itself."""


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A push of the provider's about this order that holds nothing of use, such as a file that is no PDF."""

    detail: str


_REFUND = frozenset({Status.FAILED, Status.CANCELLED})

#: The closed set.
Push = Arrived | Told | Hint | Spoilt


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand after a push, for the answer to it.

    `stored`: we have what it brought. `complete`: the order has all its tickets; it has tickets for `count`
    people of `expected` (None: nobody said). `why`: in words, without anything that the push held. `ended`: the
    order is failed or cancelled. `word`: the provider's latest status word.
    """

    stored: bool
    complete: bool = False
    count: int = 0
    expected: int | None = None
    why: str = ""
    ended: Status | None = None
    word: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The order as it shall be, and how it stands then.

    `outcome` is the word for the timeline. `changed`: there is something to write. `ask`: the provider has to be
    asked what the push left open.
    """

    order: Order
    standing: Standing
    outcome: str
    changed: bool
    ask: bool = False


def receive(order: Order, push: Push, now: float) -> Receipt:
    """What `push`, received at `now`, does to `order`."""
    match push:
        case Arrived():
            return _receive_tickets(order, push, now)
        case Told(Declined() as outcome):
            return _receive_end(order, outcome, Status.FAILED, now)
        case Told(Cancelled() as outcome):
            return _receive_end(order, outcome, Status.CANCELLED, now)
        case Spoilt(detail):
            attention = Attention.MALFORMED if order.status in OPEN else order.attention
            after = replace(order, attention=attention)
            return Receipt(after, _standing(order, detail, stored=False), "malformed", changed=True)
    return Receipt(order, _standing(order), "hint", changed=False, ask=True)


def repeated(order: Order) -> Standing:
    """Return the answer to a push that the order has had already: how it stands now."""
    return _standing(order)


def ahead(push: Push) -> Standing:
    """How things stand while nobody knows the order."""
    match push:
        case Spoilt(detail):
            return Standing(stored=False, why=detail)
        case Arrived(tickets, whole):
            return Standing(stored=True, complete=whole, count=admitted(tickets), why="ahead of its order")
    return Standing(stored=True, why="ahead of its order")


def _receive_tickets(order: Order, push: Arrived, now: float) -> Receipt:
    if order.status in _REFUND:
        why = f"the order is {order.status}"
        return Receipt(order, _standing(order, why, stored=False), "refused", changed=True)
    after = replace(order, tickets=added(order.tickets, push.tickets))
    count = admitted(after.tickets)
    needed = _needed(order)
    complete = push.whole or order.status is Status.FULFILLED or count >= (needed or math.inf)
    if complete and may_become(order.status, Status.FULFILLED):
        after = _ended(after, Status.FULFILLED, None, now)
    elif order.status is Status.PENDING:
        after = replace(after, status=Status.PARTIAL)
    have = "all in a parcel" if push.whole else f"{count} of {needed or 'an unknown number of'} tickets"
    standing = _standing(after, f"{have}; {push.detail}" if push.detail else have)
    outcome = "issued" if complete else "partly_issued"
    ask = needed is None and not complete
    return Receipt(after, standing, outcome, changed=after != order, ask=ask)


def _receive_end(order: Order, outcome: Declined | Cancelled, status: Status, now: float) -> Receipt:
    name = outcome_name(outcome)
    if may_become(order.status, status):
        word = outcome.provider_status or order.provider_status
        after = _ended(replace(order, provider_status=word), status, outcome.reason, now)
        return Receipt(after, _standing(after, outcome.reason), name, changed=True)
    if order.status is status:
        return Receipt(order, _standing(order, f"still {status}"), name, changed=False)
    why = f"the provider says {status}, yet {order.status} stays"
    return Receipt(order, _standing(order, why, stored=False), name, changed=True)


def _ended(order: Order, status: Status, reason: str | None, now: float) -> Order:
    return replace(
        order, status=status, reason=reason, attention=None, next_poll_at=None, hint_at=None, finished_at=now
    )


def _standing(order: Order, why: str = "", *, stored: bool = True) -> Standing:
    return Standing(
        stored,
        complete=order.status is Status.FULFILLED,
        count=admitted(order.tickets),
        expected=_needed(order),
        why=why,
        ended=order.status if order.status in _REFUND else None,
        word=order.provider_status,
    )


def _needed(order: Order) -> int | None:
    """Return how many tickets pushes alone must bring to complete the order.

    That is what its caller says, or the provider's own number where polls told of a larger one. `None` where the
    caller does not say: then the provider is asked.
    """
    return order.quantity and max(order.quantity, order.expected or 0)
