"""Which tickets are the same one, how many people a set of them lets in, and what two sets come to."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from willcall.orders.model import Ticket, TicketKind

#: Marks in `Ticket.extra` what a provider pushed, so that no later poll takes it back; with a file, its SHA-256.
PUSHED = "pushed"
DIGEST = "sha256"

Tickets = tuple[Ticket, ...]


def as_pushed(ticket: Ticket, document: str | None = None, digest: str | None = None) -> Ticket:
    """The ticket as it came with a push; `document` and `digest` (SHA-256, hex) of its file, if it has one."""
    marks = {PUSHED: True, DIGEST: digest} if digest else {PUSHED: True}
    return replace(ticket, document=document, extra={**ticket.extra, **marks})


def added(present: Iterable[Ticket], new: Iterable[Ticket]) -> Tickets:
    """The present tickets and the new ones; a new one takes the place of what is the same ticket."""
    return tuple({_identity(ticket): ticket for ticket in (*present, *new)}.values())


def reconciled(present: Tickets, told: Tickets) -> Tickets:
    """What an order has after a poll told `told`: that, and what was pushed before, which a poll may not know of.

    Without seats nobody can tell a pushed file from a polled one; the larger of the two sets stands, at a tie the
    pushed one, whose files are kept already.
    """
    kept = [ticket for ticket in present if ticket.extra.get(PUSHED)]
    if not kept:
        return told
    free = max((_free(kept), _free(told)), key=admitted)
    return (*added(_not_free(told), _not_free(kept)), *free)


def admitted(tickets: Iterable[Ticket]) -> int:
    """How many people can get in. A file and a link for one seat let one in, and so they do without seats."""
    tickets = tuple(tickets)
    seats = {_place(ticket) for ticket in tickets if _seated(ticket)}
    return len(seats) + max(Counter(ticket.compared_as for ticket in _free(tickets)).values(), default=0)


def any_pushed(tickets: Iterable[Ticket]) -> bool:
    """Whether one of them came with a push."""
    return any(ticket.extra.get(PUSHED) for ticket in tickets)


def _identity(ticket: Ticket) -> tuple[str | None, ...]:
    """What makes it this ticket and no other: its seat, else its content."""
    if _seated(ticket):
        return (ticket.compared_as, *_place(ticket))
    return (ticket.compared_as, ticket.extra.get(DIGEST) or _plain(ticket.code) or ticket.url or ticket.document)


def _place(ticket: Ticket) -> tuple[str | None, str | None]:
    """Row and seat. Not the section: a push names none, where an order's list does."""
    return _plain(ticket.row), _plain(ticket.seat)


def _seated(ticket: Ticket) -> bool:
    return ticket.seat is not None and ticket.kind is not TicketKind.SHIPMENT


def _free(tickets: Sequence[Ticket]) -> Tickets:
    return tuple(ticket for ticket in tickets if not _seated(ticket) and ticket.kind is not TicketKind.SHIPMENT)


def _not_free(tickets: Sequence[Ticket]) -> Tickets:
    return tuple(ticket for ticket in tickets if _seated(ticket) or ticket.kind is TicketKind.SHIPMENT)


def _plain(text: str | None) -> str | None:
    return text and " ".join(text.split()).casefold()
