"""Which tickets of a user's list belong to an order.

Some references list everything that a user ever bought. Adapters leave out purchases that are older than the order.
Here, tickets of other orders are left out, and as many of the rest are selected as the order bought.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from willcall.orders.model import Order, Ticket
from willcall.orders.ticket_admissions import group_by_admission
from willcall.orders.ticket_identity import Tickets, admits_someone, has_id_or_code, identity_marks
from willcall.orders.urls import without_query

#: An order without `bought_at` counts as bought this many seconds before its submission.
DEFAULT_PURCHASE_AGE = 86_400.0


@dataclass(frozen=True, slots=True)
class Purchase:
    """Tickets that were bought together. `at` is when they were issued or last changed, if known (epoch seconds)."""

    tickets: Tickets
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Ownership:
    """The tickets of a user's list, by `ticket_keys`, that belong to other orders of the account or to this one."""

    other_orders: frozenset[str] = frozenset()
    this_order: frozenset[str] = frozenset()


def bought_at(order: Order) -> float:
    """Return when an order was bought, in epoch seconds."""
    return order.submitted_at - DEFAULT_PURCHASE_AGE if order.bought_at is None else order.bought_at


def ticket_keys(tickets: Iterable[Ticket]) -> frozenset[str]:
    """Return digests that identify tickets within an account.

    They are made of the provider's id and the barcode; without these, of the URL without its query.
    """
    return frozenset(key for ticket in tickets if admits_someone(ticket) for key in _keys(ticket))


def select_tickets(purchases: Sequence[Purchase], quantity: int, ownership: Ownership) -> Tickets:
    """Return the tickets of a list that belong to the order: for `quantity` people, or more if it has more already.

    Tickets that the order has already stay if they are enough. Otherwise a purchase for exactly `quantity` people is
    preferred to parts of several, one with the order's own tickets to others, and an earlier one to a later.
    """
    ordered = sorted(purchases, key=lambda purchase: (purchase.at is None, purchase.at or 0.0))
    people = group_by_admission(ticket for purchase in ordered for ticket in purchase.tickets)
    free = [person for person in people if ownership.other_orders.isdisjoint(ticket_keys(person))]
    held = [person for person in free if not ownership.this_order.isdisjoint(ticket_keys(person))]
    if len(held) >= quantity:
        return _all(held)
    # By identity: the groups hold the same objects as `people`, and comparing all pairs of a long list takes minutes.
    are_free, are_held = set(map(id, free)), set(map(id, held))
    whole = _grouped(ordered, people)
    fitting = [group for group in whole if len(group) == quantity and are_free.issuperset(map(id, group))]
    fitting.sort(key=lambda group: -sum(id(person) in are_held for person in group))
    if fitting:
        return _all(fitting[0])
    return _all([*held, *(person for person in free if id(person) not in are_held)][:quantity])


def _grouped(purchases: Iterable[Purchase], people: Sequence[Tickets]) -> list[list[Tickets]]:
    """Return the tickets of each purchase, grouped by person."""
    index: dict[Hashable, set[int]] = defaultdict(set)
    for number, person in enumerate(people):
        for ticket in person:
            index[_likeness(ticket)].add(number)
    groups = []
    for purchase in purchases:
        alike = sorted({number for ticket in purchase.tickets for number in index[_likeness(ticket)]})
        groups.append([people[n] for n in alike if any(ticket in purchase.tickets for ticket in people[n])])
    return groups


def _likeness(ticket: Ticket) -> Hashable:
    """Return a key that equal tickets share and few others have, to find them without comparing all pairs."""
    return ticket.kind, ticket.code, ticket.url, ticket.document, ticket.seat


def _all(people: Collection[Tickets]) -> Tickets:
    return tuple(ticket for person in people for ticket in person)


def _keys(ticket: Ticket) -> Iterable[str]:
    marks = (
        identity_marks(ticket) if has_id_or_code(ticket) else {("url", without_query(ticket.url) or ticket.document)}
    )
    return (blake2b(repr(mark).encode(), digest_size=12).hexdigest() for mark in marks)
