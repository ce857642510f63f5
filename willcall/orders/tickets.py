"""Which tickets are the same one, and how many people a set of them lets in.

People are counted here and nowhere else, for every provider. Two rules hold throughout:

- What cannot be told apart counts once. The count is the number of people whom the tickets let in *at least*.
- A ticket that says something of its own is kept, also where it counts with another one.

What makes two tickets the same entrance is described in docs/providers/tixstock.md and docs/decisions/0030.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Self

from willcall.orders.matching import maximum_matching
from willcall.orders.model import Ticket, TicketKind, TicketStatus
from willcall.orders.seating import Seating, seating_of

#: Marks in `Ticket.extra` what a provider pushed, so that no later poll takes it back; with a file, its SHA-256.
PUSHED = "pushed"
DIGEST = "sha256"
#: Marks what was pushed and is in the latest poll's list too: `url` and place of each copy there.
LISTED = "listed"
_COPIED = ("url", "section", "row", "seat")
#: Where adapters keep a provider's own id of a ticket, in `Ticket.extra`.
_OWN_IDS = ("ticket", "ticket_id", "ticket_uid")
#: Kinds that are an address for the customer to open; the others are files and codes.
_ADDRESSES = frozenset({TicketKind.LINK, TicketKind.PAGE, TicketKind.WALLET})

Tickets = tuple[Ticket, ...]
#: One thing that a ticket is known by.
Mark = tuple[str | None, ...]
#: A provider's list and a form of ticket: whether it was pushed, whether it is an address. Within one of these,
#: two tickets that share nothing are two people's; a file and a link may be one person's.
_Source = tuple[bool, bool]


@dataclass(slots=True)
class _Admission:
    """One person's way in: the tickets for it, where they came from, and whether the provider names it.

    `sections`, `rows` and `seats` are all that the tickets name: one file may be there under two rows. So are
    `listings`, each with whether a push names it: pushes and polls may call one listing by different ids.
    """

    tickets: list[Ticket]
    sources: set[_Source]
    named: bool
    listings: set[tuple[bool, str]]
    sections: set[str]
    rows: set[str]
    seats: set[str]

    @classmethod
    def of(cls, ticket: Ticket) -> Self:
        """Return the entrance that one ticket is."""
        pushed = bool(ticket.extra.get(PUSHED))
        places = [(pushed, seating_of(ticket)), *((False, seating_of(copy)) for copy in listed_copies(ticket))]
        return cls(
            [ticket],
            _sources(ticket),
            has_id_or_code(ticket),
            {(by_push, place.listing) for by_push, place in places if place.listing},
            {place.section for _, place in places if place.section},
            {place.row for _, place in places if place.row},
            {place.seat for _, place in places if place.seat},
        )

    def may_be(self, other: Self) -> bool:
        """Return whether nothing proves that this and the other one are two people's."""
        if self.sources & other.sources or (self.named and other.named):
            return False
        pairs = [(self.sections, other.sections), (self.rows, other.rows), (self.seats, other.seats)]
        pairs += [(self._listings(pushed=pushed), other._listings(pushed=pushed)) for pushed in (True, False)]
        return not any(one and two and one.isdisjoint(two) for one, two in pairs)

    def _listings(self, *, pushed: bool) -> set[str]:
        return {listing for by_push, listing in self.listings if by_push is pushed}

    def take(self, other: Self) -> None:
        """Add the other one, which is certainly the same."""
        self.tickets += other.tickets
        self.named |= other.named
        self.sources |= other.sources
        self.listings |= other.listings
        self.sections |= other.sections
        self.rows |= other.rows
        self.seats |= other.seats


def mark_pushed(ticket: Ticket, document: str | None = None, digest: str | None = None) -> Ticket:
    """Return the ticket as it came with a push; `document` and `digest` (SHA-256, hex) are of its file, if any."""
    marks = {PUSHED: True, DIGEST: digest} if digest else {PUSHED: True}
    return replace(ticket, document=document, extra={**ticket.extra, **marks})


def admits_someone(ticket: Ticket) -> bool:
    """Return whether a ticket lets somebody in: a parcel is on its way, and a void ticket opens nothing."""
    return ticket.kind is not TicketKind.SHIPMENT and ticket.status is not TicketStatus.VOID


def count_admissions(tickets: Iterable[Ticket]) -> int:
    """Return how many people the tickets let in at least.

    For example, one file pushed for row V, seat 100, and one listed for row V without a seat, are one person's; two
    pushed for seats 100 and 101 and one listed for row V are two people's.

    The fewest people that two lists can mean are found exactly, by a largest matching. Of more lists (files and links,
    both pushed and polled) that number is at least what any two of them come to.
    """
    single = _certain_admissions(without_duplicates(filter(admits_someone, tickets)))
    sources = sorted({source for entrance in single for source in entrance.sources})
    pairs = list(combinations(sources, 2)) or [(source, source) for source in sources]
    return max((len(_pair_admissions(single, *pair)) for pair in pairs), default=0)


def group_by_admission(tickets: Iterable[Ticket]) -> list[Tickets]:
    """Group the tickets of one poll that let people in by the person."""
    return _pair_admissions(
        _certain_admissions(without_duplicates(filter(admits_someone, tickets))), (False, False), (False, True)
    )


def group_certain_admissions(tickets: Sequence[Ticket]) -> list[Tickets]:
    """Group the tickets that are certainly for one person, without guessing which may be."""
    return [tuple(entrance.tickets) for entrance in _certain_admissions(tickets)]


def _pair_admissions(single: Sequence[_Admission], first: _Source, second: _Source) -> list[Tickets]:
    """Return the tickets of each of the fewest people that what comes from two sources can mean."""
    people = [entrance for entrance in single if first in entrance.sources]
    others = [entrance for entrance in single if second in entrance.sources and first not in entrance.sources]
    pairs = maximum_matching(people, others, _Admission.may_be)
    partner = {one: others[two].tickets for two, one in pairs.items()}
    alone = [tuple(entrance.tickets) for index, entrance in enumerate(others) if index not in pairs]
    return [(*entrance.tickets, *partner.get(index, ())) for index, entrance in enumerate(people)] + alone


def without_duplicates(tickets: Iterable[Ticket]) -> Tickets:
    """Return the tickets less those that only repeat another one, each where the first like it was."""
    result: list[Ticket | None] = []
    seen: dict[Mark, list[int]] = defaultdict(list)
    for ticket in tickets:
        marks = identity_marks(ticket)
        alike = [(index, other) for mark in marks for index in seen[mark] if (other := result[index])]
        if any(is_redundant(ticket, other) for _, other in alike):
            continue
        fewer = [index for index, other in alike if is_redundant(other, ticket)]
        place = min(fewer, default=len(result))
        if place == len(result):
            result.append(ticket)
        for index in fewer:
            result[index] = None
        result[place] = ticket
        for mark in marks:
            seen[mark].append(place)
    return tuple(ticket for ticket in result if ticket)


def any_pushed(tickets: Iterable[Ticket]) -> bool:
    """Return whether one of the tickets came with a push."""
    return any(ticket.extra.get(PUSHED) for ticket in tickets)


def provider_ticket_id(ticket: Ticket) -> str | None:
    """Return the provider's own id of a ticket."""
    return next((value for name in _OWN_IDS if isinstance(value := ticket.extra.get(name), str) and value), None)


def normalize_code(code: str) -> str:
    """Return a barcode in the form in which two are compared: without blanks, in lower case."""
    return "".join(code.split()).casefold()


def identity_marks(ticket: Ticket) -> set[Mark]:
    """Return what a ticket is known by: the provider's id or the barcode, else its content or its address."""
    listing = seating_of(ticket).listing
    marks: set[Mark] = set()
    own = provider_ticket_id(ticket)
    if own:
        marks.add(("id", own))
    if ticket.code and normalize_code(ticket.code):
        marks.add(("code", listing, normalize_code(ticket.code)))
    if marks:
        return marks
    digest = ticket.extra.get(DIGEST)
    if isinstance(digest, str):
        marks.add(("sha256", digest))
    if ticket.document:
        marks.add(("document", ticket.document))
    if ticket.url:
        marks.add(("url", ticket.url))
    return marks


def listed_copies(ticket: Ticket) -> list[Ticket]:
    """Return the copies of a pushed ticket in the latest poll's list, of which it keeps address and place."""
    listed = ticket.extra.get(LISTED)
    copies = [copy for copy in listed if isinstance(copy, dict)] if isinstance(listed, list | tuple) else []
    return [
        Ticket(
            ticket.kind,
            url=copy.get("url"),
            section=copy.get("section"),
            row=copy.get("row"),
            seat=copy.get("seat"),
            extra={"listing_id": copy.get("listing_id")},
        )
        for copy in copies
    ]


def with_listed_copies(ticket: Ticket, copies: Sequence[Ticket]) -> Ticket:
    """Return a pushed ticket that remembers its copies in the latest poll's list."""
    extra = {name: value for name, value in ticket.extra.items() if name != LISTED}
    kept = [
        {**{name: getattr(copy, name) for name in _COPIED}, "listing_id": seating_of(copy).listing} for copy in copies
    ]
    return replace(ticket, extra={**extra, LISTED: kept} if kept else extra)


def listed_urls(ticket: Ticket) -> list[str]:
    """Return the addresses under which the latest poll listed a pushed ticket."""
    return [copy.url for copy in listed_copies(ticket) if copy.url]


def _sources(ticket: Ticket) -> set[_Source]:
    pushed, address = bool(ticket.extra.get(PUSHED)), ticket.comparison_kind in _ADDRESSES
    return {(pushed, address), (False, address)} if listed_copies(ticket) else {(pushed, address)}


def _rank(source: _Source) -> int:
    pushed, address = source
    return (0 if pushed else 2) + address


def _certain_admissions(tickets: Sequence[Ticket]) -> list[_Admission]:
    """Group what is certainly one entrance: by a shared mark, or by a shared seat where there is no id and no code."""
    owner: dict[Hashable, int] = {}
    root = list(range(len(tickets)))

    def find(index: int) -> int:
        while root[index] != index:
            root[index] = root[root[index]]
            index = root[index]
        return index

    places = [seating_of(ticket) for ticket in tickets]
    sections = _only_sections(places)
    for index, (ticket, place) in enumerate(zip(tickets, places, strict=True)):
        marks: set[Hashable] = set(identity_marks(ticket))
        if place.seat is not None and not has_id_or_code(ticket):
            section = place.section or sections.get(_seat_key(place))
            # A pushed and a polled ticket of one number are one only where the row is known.
            marks.add(("seat", _seat_key(place), section, "any" if place.exact else bool(ticket.extra.get(PUSHED))))
        for mark in marks:
            first = owner.setdefault(mark, index)
            one, two = sorted((find(first), find(index)))
            root[two] = one
    groups: dict[int, _Admission] = {}
    for index, ticket in enumerate(tickets):
        single = _Admission.of(ticket)
        if find(index) in groups:
            groups[find(index)].take(single)
        else:
            groups[find(index)] = single
    return list(groups.values())


def has_id_or_code(ticket: Ticket) -> bool:
    """Return whether the provider names the ticket, by an id or a barcode."""
    return provider_ticket_id(ticket) is not None or bool(ticket.code and normalize_code(ticket.code))


def _seat_key(place: Seating) -> Hashable:
    return place.listing, place.row, place.seat


def _only_sections(places: Sequence[Seating]) -> dict[Hashable, str]:
    """Return for each seat a section that names it: one without a section cannot be told from that."""
    named = ((_seat_key(place), place.section) for place in places if place.seat is not None)
    return {seat: section for seat, section in named if section is not None}


def is_redundant(ticket: Ticket, other: Ticket) -> bool:
    """Return whether a ticket says nothing that the other one of the same mark does not say."""
    if (
        ticket.comparison_kind is not other.comparison_kind
        or ticket.status is not other.status
        or not identity_marks(ticket) & identity_marks(other)
    ):
        return False
    if without_query(ticket.url) not in {None, without_query(other.url)} or ticket.document not in {
        None,
        other.document,
    }:
        return False
    if ticket.code and other.code and normalize_code(ticket.code) != normalize_code(other.code):
        return False
    one, two = seating_of(ticket), seating_of(other)
    return not one.differs(two) and one.listing == two.listing and one.joined(two) == two


def without_query(url: str | None) -> str | None:
    """Return an address less what may be signed anew for each answer."""
    return url and url.partition("?")[0]
