"""Ids of tickets, which stay the same for as long as an order has a ticket.

A ticket that a provider lists again, with another address, another status or a corrected file, keeps its id. Parts of
one entrance, such as a PDF and the wallet passes of the same ticket, have ids of their own and share `entrance_id`.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b

from willcall.orders.model import Ticket
from willcall.orders.seating import seating_of
from willcall.orders.ticket_admissions import group_certain_admissions
from willcall.orders.ticket_identity import Tickets, identity_marks
from willcall.orders.urls import without_query


def with_ids(tickets: Sequence[Ticket], before: Sequence[Ticket] = ()) -> Tickets:
    """Return the tickets with ids: those that the same tickets had `before`, and new ones for the others.

    A new id follows from what identifies the ticket, so the same step, repeated, gives the same id.
    """
    if all(ticket.id and ticket.entrance_id for ticket in tickets):
        return tuple(tickets)
    used = {ticket.id for ticket in tickets}
    known: dict[Hashable, list[Ticket]] = defaultdict(list)
    for old in before:
        if old.id and old.id not in used:
            for mark in _marks(old):
                known[mark].append(old)
    result = []
    for ticket in tickets:
        named = ticket
        if ticket.id is None:
            same = next((old for mark in _marks(ticket) for old in known[mark] if old.id not in used), None)
            named = replace(ticket, id=_new_id(ticket, used))
            if same is not None:
                named = replace(ticket, id=same.id, entrance_id=same.entrance_id)
        used.add(named.id)
        result.append(named)
    return _with_entrances(result)


def _marks(ticket: Ticket) -> Iterable[Hashable]:
    """Yield what tells that a ticket is the same as before, the most certain first: identity, address, seat."""
    part = ticket.wallet or ticket.comparison_kind
    yield from ((part, mark) for mark in sorted(identity_marks(ticket), key=repr))
    if ticket.url:
        yield part, "path", without_query(ticket.url)
    seating = seating_of(ticket)
    if seating.exact:
        yield part, "seat", seating


def _new_id(ticket: Ticket, used: set[str | None]) -> str:
    part = ticket.wallet or ticket.comparison_kind
    mark = next(iter(_marks(ticket)), None)
    number = 0
    while (new := _digest(f"{part} {mark!r} {number}")) in used:
        number += 1
    return new


def _digest(text: str) -> str:
    return f"tkt_{blake2b(text.encode(), digest_size=10).hexdigest()}"


def _with_entrances(tickets: Sequence[Ticket]) -> Tickets:
    """Return the tickets, with the id of an entrance for each group that certainly lets the same person in."""
    entrances: dict[str | None, str] = {}
    taken: set[str] = set()
    for group in group_certain_admissions(tickets):
        inherited = (ticket.entrance_id for ticket in group if ticket.entrance_id not in {None, *taken})
        entrance = next(inherited, None) or f"ent_{(group[0].id or '').removeprefix('tkt_')}"
        taken.add(entrance)
        entrances |= {ticket.id: entrance for ticket in group}
    return tuple(replace(ticket, entrance_id=entrances[ticket.id]) for ticket in tickets)
