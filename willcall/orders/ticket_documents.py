"""Which tickets are to have a document, and which document belongs to a ticket that a provider lists anew."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace

from willcall.orders.model import Ticket, TicketKind

#: Kinds whose address is that of a PDF. Links, pages and wallet passes are for the customer to open.
_WITH_PDF = {TicketKind.PDF, TicketKind.BARCODE}
#: Seconds for which documents may be missing before somebody should look: as long as the alert waits.
LATE = 1_800.0


def lacks_document(ticket: Ticket) -> bool:
    """Whether the ticket's PDF is somewhere else, and not with us yet."""
    return ticket.kind in _WITH_PDF and ticket.url is not None and ticket.document is None


def lacking(tickets: Iterable[Ticket]) -> list[str]:
    """The addresses of the PDFs that are not with us yet, each once."""
    return list(dict.fromkeys(ticket.url for ticket in tickets if lacks_document(ticket) and ticket.url))


def with_documents(tickets: Sequence[Ticket], documents: Mapping[str, str]) -> tuple[Ticket, ...]:
    """The tickets, with the `documents` (address -> id) that were fetched for those that lacked theirs."""
    return tuple(
        replace(ticket, document=documents.get(ticket.url or "")) if lacks_document(ticket) else ticket
        for ticket in tickets
    )


def carry_over(tickets: Sequence[Ticket], before: Sequence[Ticket]) -> tuple[Ticket, ...]:
    """The tickets as the provider lists them now, with the documents that the same tickets had before.

    Addresses that are signed anew for each answer differ behind the `?` alone. So a ticket is the same when its
    address is, or when all but that part is, and no other ticket of either list could be meant.
    """
    known = {ticket.url: ticket.document for ticket in before if ticket.url and ticket.document}
    new, old = Counter(map(_likeness, tickets)), Counter(map(_likeness, before))
    alike = {_likeness(ticket): ticket.document for ticket in before if ticket.document}

    def document(ticket: Ticket) -> str | None:
        likeness = _likeness(ticket)
        if ticket.url in known:
            return known[ticket.url]
        return alike.get(likeness) if new[likeness] == old[likeness] == 1 else None

    return tuple(replace(ticket, document=document(ticket)) if lacks_document(ticket) else ticket for ticket in tickets)


def _likeness(ticket: Ticket) -> str:
    """The ticket as text, less its document and what stands behind the `?` of its address."""
    path = (ticket.url or "").partition("?")[0]
    return json.dumps({**asdict(ticket), "document": None, "url": path}, sort_keys=True, default=str)
