"""Which tickets are to have a document, and which document belongs to a ticket that a provider lists anew."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from willcall.orders.model import Ticket, TicketKind
from willcall.orders.tickets import admits_someone, listed_urls

#: Kinds that are named after their file. Which of them a ticket is shows when the file is here.
_FILE_KINDS = {TicketKind.PDF, TicketKind.IMAGE, TicketKind.ARCHIVE}
#: Kinds whose address is that of a file. Links, pages and wallet passes are for the customer to open.
_WITH_FILE = _FILE_KINDS | {TicketKind.BARCODE}
#: Seconds for which documents may be missing before somebody should look: as long as the alert waits.
DOCUMENTS_LATE_AFTER = 1_800.0

#: In `Ticket.extra`: what is damaged about the document, and why an address was given up.
DOCUMENT_WARNING = "document_warning"
DOCUMENT_ERROR = "document_error"

_KINDS = {
    "application/pdf": TicketKind.PDF,
    "application/zip": TicketKind.ARCHIVE,
    "application/vnd.apple.pkpass": TicketKind.WALLET,
    "application/vnd.apple.pkpasses": TicketKind.WALLET,
}


@dataclass(frozen=True, slots=True)
class TicketFile:
    """The stored file of a ticket: the id of its document, its media type, and what is damaged about it."""

    document: str
    content_type: str
    warning: str | None = None

    @property
    def kind(self) -> TicketKind:
        """The kind of a ticket that is this file."""
        return _KINDS.get(self.content_type, TicketKind.IMAGE)


def attach_file(ticket: Ticket, file: TicketFile) -> Ticket:
    """Return the ticket with its file. A ticket that is a file becomes of the kind that the file is."""
    kind = file.kind if ticket.kind in _FILE_KINDS | {TicketKind.WALLET} else ticket.kind
    extra = {name: value for name, value in ticket.extra.items() if name not in {DOCUMENT_WARNING, DOCUMENT_ERROR}}
    if file.warning:
        extra[DOCUMENT_WARNING] = file.warning
    return replace(ticket, kind=kind, document=file.document, content_type=file.content_type, extra=extra)


def stored_file(ticket: Ticket) -> TicketFile | None:
    """Return the stored file of a ticket, or None."""
    if ticket.document is None:
        return None
    # Only PDFs were kept before tickets had a content type.
    return TicketFile(ticket.document, ticket.content_type or "application/pdf", ticket.extra.get(DOCUMENT_WARNING))


def mark_given_up(tickets: Iterable[Ticket], why: Mapping[str, str]) -> tuple[Ticket, ...]:
    """Return the tickets, with why their address was given up (by address) on those that lack their document."""
    return tuple(
        replace(ticket, extra={**ticket.extra, DOCUMENT_ERROR: why[ticket.url]})
        if lacks_document(ticket) and ticket.url and ticket.url in why
        else ticket
        for ticket in tickets
    )


def given_up_reasons(tickets: Iterable[Ticket]) -> str | None:
    """Return why documents that are still missing were given up, each reason once, or `None`."""
    reasons = {
        str(ticket.extra[DOCUMENT_ERROR])
        for ticket in tickets
        if lacks_document(ticket) and DOCUMENT_ERROR in ticket.extra
    }
    return "; ".join(sorted(reasons)) or None


def lacks_document(ticket: Ticket) -> bool:
    """Whether the ticket's file is somewhere else, and not with us yet."""
    return ticket.kind in _WITH_FILE and ticket.url is not None and ticket.document is None and admits_someone(ticket)


def missing_document_urls(tickets: Iterable[Ticket]) -> list[str]:
    """The addresses of the files that are not with us yet, each once."""
    return list(dict.fromkeys(ticket.url for ticket in tickets if lacks_document(ticket) and ticket.url))


def attach_documents(tickets: Sequence[Ticket], files: Mapping[str, TicketFile]) -> tuple[Ticket, ...]:
    """The tickets, with the `files` (by address) that were fetched for those that lacked theirs."""
    return tuple(
        _carried(ticket, files.get(ticket.url or "")) if lacks_document(ticket) else ticket for ticket in tickets
    )


def carry_over_documents(tickets: Sequence[Ticket], before: Sequence[Ticket]) -> tuple[Ticket, ...]:
    """The tickets as the provider lists them now, with the documents that the same tickets had before.

    Addresses that are signed anew for each answer differ behind the `?` alone. So a ticket is the same when its
    address is, or when all but that part is, and no other ticket of either list could be meant.
    """
    known = {ticket.url: stored_file(ticket) for ticket in before if ticket.url and ticket.document}
    known |= {url: stored_file(ticket) for ticket in before if ticket.document for url in listed_urls(ticket)}
    new, old = Counter(map(_likeness, tickets)), Counter(map(_likeness, before))
    alike = {_likeness(ticket): stored_file(ticket) for ticket in before if ticket.document}

    def file(ticket: Ticket) -> TicketFile | None:
        likeness = _likeness(ticket)
        if ticket.url in known:
            return known[ticket.url]
        return alike.get(likeness) if new[likeness] == old[likeness] == 1 else None

    return tuple(_carried(ticket, file(ticket)) if lacks_document(ticket) else ticket for ticket in tickets)


def _carried(ticket: Ticket, file: TicketFile | None) -> Ticket:
    return attach_file(ticket, file) if file else ticket


def _likeness(ticket: Ticket) -> str:
    """The ticket as text, less what its file adds to it and what stands behind the `?` of its address."""
    path = (ticket.url or "").partition("?")[0]
    extra = {name: value for name, value in ticket.extra.items() if name not in {DOCUMENT_WARNING, DOCUMENT_ERROR}}
    alike = {"kind": ticket.comparison_kind, "url": path, "extra": extra, "document": None, "content_type": None}
    return json.dumps({**asdict(ticket), **alike}, sort_keys=True, default=str)
