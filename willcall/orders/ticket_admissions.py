"""How many people a set of tickets lets in.

People are counted only here, for every provider. Tickets that cannot be distinguished count once, so the count is the
number of people whom the tickets let in *at least*. For example:

- One file pushed for row V, seat 100, and one listed for row V without a seat count as one person's.
- Two files pushed for row V, seats 100 and 101, and one listed for row V count as two people's.

See docs/providers/tixstock.md and docs/decisions/0030.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Self

from willcall.orders.matching import maximum_matching
from willcall.orders.model import Ticket, TicketKind
from willcall.orders.seating import Seating, seating_of
from willcall.orders.ticket_identity import (
    PUSHED,
    Tickets,
    admits_someone,
    has_id_or_code,
    identity_marks,
    listed_copies,
    without_duplicates,
)

#: Kinds with an address for the customer to open; the others are files and codes.
_LINKS = frozenset({TicketKind.LINK, TicketKind.PAGE, TicketKind.WALLET})

#: The source of a ticket: whether it was pushed, and whether it is a link. Two tickets of one source without common
#: marks belong to two people; a file and a link may be one person's.
_Source = tuple[bool, bool]


@dataclass(slots=True)
class _Admission:
    """Tickets that together let one person in.

    `sections`, `rows` and `seats` are all that the tickets name, as one file may be listed under two rows. `listings`
    also has whether a push names each: pushes and polls may use different ids for one listing.
    """

    tickets: list[Ticket]
    sources: set[_Source]
    has_id_or_code: bool
    listings: set[tuple[bool, str]]
    sections: set[str]
    rows: set[str]
    seats: set[str]

    @classmethod
    def of(cls, ticket: Ticket) -> Self:
        pushed = bool(ticket.extra.get(PUSHED))
        seatings = [(pushed, seating_of(ticket)), *((False, seating_of(copy)) for copy in listed_copies(ticket))]
        return cls(
            [ticket],
            _sources(ticket),
            has_id_or_code(ticket),
            {(by_push, seating.listing) for by_push, seating in seatings if seating.listing},
            {seating.section for _, seating in seatings if seating.section},
            {seating.row for _, seating in seatings if seating.row},
            {seating.seat for _, seating in seatings if seating.seat},
        )

    def may_equal(self, other: Self) -> bool:
        """Return whether nothing proves that the two belong to different people."""
        if self.sources & other.sources or (self.has_id_or_code and other.has_id_or_code):
            return False
        pairs = [(self.sections, other.sections), (self.rows, other.rows), (self.seats, other.seats)]
        pairs += [(self._listings(pushed=pushed), other._listings(pushed=pushed)) for pushed in (True, False)]
        return not any(one and two and one.isdisjoint(two) for one, two in pairs)

    def _listings(self, *, pushed: bool) -> set[str]:
        return {listing for by_push, listing in self.listings if by_push is pushed}

    def merge(self, other: Self) -> None:
        """Add the tickets of another group of the same person."""
        self.tickets += other.tickets
        self.has_id_or_code |= other.has_id_or_code
        self.sources |= other.sources
        self.listings |= other.listings
        self.sections |= other.sections
        self.rows |= other.rows
        self.seats |= other.seats


def count_admissions(tickets: Iterable[Ticket]) -> int:
    """Return how many people the tickets let in at least.

    For two sources (say, files that were pushed and links that were polled) the least number of people is found
    exactly, by a maximum matching. For more sources the result is the largest of those numbers over all pairs.
    """
    admissions = _certain_admissions(without_duplicates(filter(admits_someone, tickets)))
    sources = sorted({source for admission in admissions for source in admission.sources})
    pairs = list(combinations(sources, 2)) or [(source, source) for source in sources]
    return max((len(_match_sources(admissions, *pair)) for pair in pairs), default=0)


def group_by_admission(tickets: Iterable[Ticket]) -> list[Tickets]:
    """Group the tickets of one poll by the person whom they let in."""
    admissions = _certain_admissions(without_duplicates(filter(admits_someone, tickets)))
    return _match_sources(admissions, (False, False), (False, True))


def group_certain_admissions(tickets: Sequence[Ticket]) -> list[Tickets]:
    """Group the tickets that certainly let in the same person, without guessing which others may."""
    return [tuple(admission.tickets) for admission in _certain_admissions(tickets)]


def _match_sources(admissions: Sequence[_Admission], first: _Source, second: _Source) -> list[Tickets]:
    """Return the tickets of each of the fewest people that two sources can mean."""
    left = [admission for admission in admissions if first in admission.sources]
    right = [admission for admission in admissions if second in admission.sources and first not in admission.sources]
    pairs = maximum_matching(left, right, _Admission.may_equal)
    partner = {one: right[two].tickets for two, one in pairs.items()}
    unmatched = [tuple(admission.tickets) for index, admission in enumerate(right) if index not in pairs]
    return [(*admission.tickets, *partner.get(index, ())) for index, admission in enumerate(left)] + unmatched


def _sources(ticket: Ticket) -> set[_Source]:
    pushed, link = bool(ticket.extra.get(PUSHED)), ticket.comparison_kind in _LINKS
    return {(pushed, link), (False, link)} if listed_copies(ticket) else {(pushed, link)}


def _certain_admissions(tickets: Sequence[Ticket]) -> list[_Admission]:
    """Group tickets that are certainly one person's: those with a mark in common (union-find).

    Without an id and a barcode, the seat is a mark as well.
    """
    owner: dict[Hashable, int] = {}
    root = list(range(len(tickets)))

    def find(index: int) -> int:
        while root[index] != index:
            root[index] = root[root[index]]
            index = root[index]
        return index

    seatings = [seating_of(ticket) for ticket in tickets]
    sections = _known_sections(seatings)
    for index, (ticket, seating) in enumerate(zip(tickets, seatings, strict=True)):
        marks: set[Hashable] = set(identity_marks(ticket))
        if seating.seat is not None and not has_id_or_code(ticket):
            section = seating.section or sections.get(_seat_key(seating))
            # A pushed and a polled ticket with the same seat number are the same only if the row is known.
            source = "any" if seating.exact else bool(ticket.extra.get(PUSHED))
            marks.add(("seat", _seat_key(seating), section, source))
        for mark in marks:
            first = owner.setdefault(mark, index)
            one, two = sorted((find(first), find(index)))
            root[two] = one
    admissions: dict[int, _Admission] = {}
    for index, ticket in enumerate(tickets):
        admission = _Admission.of(ticket)
        if find(index) in admissions:
            admissions[find(index)].merge(admission)
        else:
            admissions[find(index)] = admission
    return list(admissions.values())


def _seat_key(seating: Seating) -> Hashable:
    return seating.listing, seating.row, seating.seat


def _known_sections(seatings: Sequence[Seating]) -> dict[Hashable, str]:
    """Return a section for each seat that some ticket names with one; a ticket without section may mean that seat."""
    named = ((_seat_key(seating), seating.section) for seating in seatings if seating.seat is not None)
    return {seat: section for seat, section in named if section is not None}
