"""Which tickets are the same.

A ticket is identified by the provider's id or its barcode; without these by its file, otherwise its URL. Two tickets
with a mark in common are the same. See docs/providers/tixstock.md and docs/decisions/0030.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from willcall.orders.model import Ticket, TicketKind, TicketStatus
from willcall.orders.seating import seating_of
from willcall.orders.urls import without_query

#: Keys in `Ticket.extra`: the ticket was pushed, so no later poll removes it; and the SHA-256 of its file.
PUSHED = "pushed"
DIGEST = "sha256"
#: Key in `Ticket.extra`: the copies of a pushed ticket in the latest poll's list, each with `url` and seat.
LISTED = "listed"
_COPIED = ("url", "section", "row", "seat")
#: Keys in `Ticket.extra` of the provider's id of a ticket.
_PROVIDER_IDS = ("ticket", "ticket_id", "ticket_uid")

Tickets = tuple[Ticket, ...]
#: Something that identifies a ticket, such as `("code", listing, code)`.
Mark = tuple[str | None, ...]


def mark_pushed(ticket: Ticket, document: str | None = None, digest: str | None = None) -> Ticket:
    """Return the ticket as a pushed one; `document` and `digest` (SHA-256, hex) are of its file, if any."""
    marks = {PUSHED: True, DIGEST: digest} if digest else {PUSHED: True}
    return replace(ticket, document=document, extra={**ticket.extra, **marks})


def any_pushed(tickets: Iterable[Ticket]) -> bool:
    """Return whether one of the tickets was pushed."""
    return any(ticket.extra.get(PUSHED) for ticket in tickets)


def admits_someone(ticket: Ticket) -> bool:
    """Return whether a ticket lets somebody in. A parcel and a void ticket do not."""
    return ticket.kind is not TicketKind.SHIPMENT and ticket.status is not TicketStatus.VOID


def provider_ticket_id(ticket: Ticket) -> str | None:
    """Return the provider's own id of a ticket."""
    return next((value for name in _PROVIDER_IDS if isinstance(value := ticket.extra.get(name), str) and value), None)


def normalize_code(code: str) -> str:
    """Return a barcode without blanks and in lower case, for comparison."""
    return "".join(code.split()).casefold()


def has_id_or_code(ticket: Ticket) -> bool:
    """Return whether the provider identifies the ticket, by an id or a barcode."""
    return provider_ticket_id(ticket) is not None or bool(ticket.code and normalize_code(ticket.code))


def identity_marks(ticket: Ticket) -> set[Mark]:
    """Return what identifies a ticket: the provider's id and the barcode; without these the content or the URL."""
    marks: set[Mark] = set()
    provider_id = provider_ticket_id(ticket)
    if provider_id:
        marks.add(("id", provider_id))
    if ticket.code and normalize_code(ticket.code):
        marks.add(("code", seating_of(ticket).listing, normalize_code(ticket.code)))
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


def is_redundant(ticket: Ticket, other: Ticket) -> bool:
    """Return whether a ticket is the same as the other one and adds no information."""
    if (
        ticket.comparison_kind is not other.comparison_kind
        or ticket.status is not other.status
        or not identity_marks(ticket) & identity_marks(other)
    ):
        return False
    if without_query(ticket.url) not in {None, without_query(other.url)}:
        return False
    if ticket.document not in {None, other.document}:
        return False
    if ticket.code and other.code and normalize_code(ticket.code) != normalize_code(other.code):
        return False
    one, two = seating_of(ticket), seating_of(other)
    return not one.differs(two) and one.listing == two.listing and one.joined(two) == two


def without_duplicates(tickets: Iterable[Ticket]) -> Tickets:
    """Return the tickets without those that only repeat another one. Each keeps the position of its first copy."""
    result: list[Ticket | None] = []
    seen: dict[Mark, list[int]] = defaultdict(list)
    for ticket in tickets:
        marks = identity_marks(ticket)
        same = [(index, other) for mark in marks for index in seen[mark] if (other := result[index])]
        if any(is_redundant(ticket, other) for _, other in same):
            continue
        replaced = [index for index, other in same if is_redundant(other, ticket)]
        position = min(replaced, default=len(result))
        if position == len(result):
            result.append(ticket)
        for index in replaced:
            result[index] = None
        result[position] = ticket
        for mark in marks:
            seen[mark].append(position)
    return tuple(ticket for ticket in result if ticket)


def listed_copies(ticket: Ticket) -> list[Ticket]:
    """Return the copies of a pushed ticket in the latest poll's list, with their URL and seat."""
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
    listed = [
        {**{name: getattr(copy, name) for name in _COPIED}, "listing_id": seating_of(copy).listing} for copy in copies
    ]
    return replace(ticket, extra={**extra, LISTED: listed} if listed else extra)


def listed_urls(ticket: Ticket) -> list[str]:
    """Return the URLs under which the latest poll listed a pushed ticket."""
    return [copy.url for copy in listed_copies(ticket) if copy.url]
