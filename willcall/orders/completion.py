"""Complete an order by hand: somebody got its tickets another way, or says that those that are here are all."""

from collections.abc import Sequence
from dataclasses import replace

from willcall.orders.model import EndedBy, Order, Status, Ticket, TicketKind
from willcall.orders.ticket_documents import TicketFile, attach_file
from willcall.orders.ticket_identity import mark_pushed
from willcall.orders.ticket_ids import with_ids
from willcall.orders.ticket_merging import merge_pushed

#: Key in `Ticket.extra` of a ticket that somebody added.
BY_HAND = "by_hand"
#: Whose word ends an order by hand.
_PEOPLE = frozenset({EndedBy.CALLER, EndedBy.OPERATOR})


def is_completed_by_hand(order: Order) -> bool:
    """Return whether somebody completed the order. Then no answer or push of its provider ends it differently."""
    return order.status is Status.FULFILLED and order.ended_by in _PEOPLE


def complete(order: Order, added: Sequence[Ticket], by: EndedBy, now: float) -> Order:
    """Return the order, fulfilled, with its tickets and those that somebody added.

    Any status becomes `fulfilled`. An order that is fulfilled already only gets the tickets.
    """
    tickets = with_ids(merge_pushed(order.tickets, added), order.tickets)
    if order.status is Status.FULFILLED:
        return replace(order, tickets=tickets)
    return replace(
        order,
        status=Status.FULFILLED,
        tickets=tickets,
        reason=None,
        attention=None,
        next_poll_at=None,
        finished_at=now,
        ended_by=by,
    )


def count_by_hand(order: Order) -> int:
    """Return how many tickets of an order somebody added."""
    return sum(BY_HAND in ticket.extra for ticket in order.tickets)


def ticket_of_file(file: TicketFile, digest: str) -> Ticket:
    """Return the ticket of a stored file; `digest` is the SHA-256 of its content (hex)."""
    ticket = mark_pushed(Ticket(TicketKind.PDF, extra={BY_HAND: True}), file.document, digest)
    return attach_file(ticket, file)


def ticket_of_code(code: str) -> Ticket:
    """Return the ticket of a barcode or another code."""
    return mark_pushed(Ticket(TicketKind.BARCODE, code=code, extra={BY_HAND: True}))


def ticket_of_url(url: str) -> Ticket:
    """Return the ticket behind an address, which the customer opens."""
    return mark_pushed(Ticket(TicketKind.LINK, url=url, extra={BY_HAND: True}))
