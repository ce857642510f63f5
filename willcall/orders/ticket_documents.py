"""Which tickets need a document, and which stored document belongs to a ticket that a provider lists again."""

import binascii
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from willcall.orders.model import Ticket, TicketKind
from willcall.orders.ticket_identity import admits_someone, listed_urls
from willcall.orders.urls import without_query

#: Missing documents of an order are reported after this many seconds, by the alert too.
DOCUMENTS_LATE_AFTER = 1_800.0

#: In `Ticket.extra`: what is damaged about the document, and why its URL was given up.
DOCUMENT_WARNING = "document_warning"
DOCUMENT_ERROR = "document_error"
_REMARKS = {DOCUMENT_WARNING, DOCUMENT_ERROR}

#: Kinds that are named after their file. The kind of a ticket is certain once its file is stored.
_FILE_KINDS = {TicketKind.PDF, TicketKind.IMAGE, TicketKind.ARCHIVE}
#: Kinds whose URL is the address of a file, as that of an Apple Wallet pass is. Links and pages are for the customer.
_KINDS_WITH_FILE = _FILE_KINDS | {TicketKind.BARCODE}

_KIND_BY_CONTENT_TYPE = {
    "application/pdf": TicketKind.PDF,
    "application/zip": TicketKind.ARCHIVE,
    "application/vnd.apple.pkpass": TicketKind.WALLET,
    "application/vnd.apple.pkpasses": TicketKind.WALLET,
}

_INLINE_PREFIX = "data:;base64,"


@dataclass(frozen=True, slots=True)
class TicketFile:
    """The stored file of a ticket: the id of its document, its media type, and what is damaged about it."""

    document: str
    content_type: str
    warning: str | None = None

    @property
    def kind(self) -> TicketKind:
        return _KIND_BY_CONTENT_TYPE.get(self.content_type, TicketKind.IMAGE)


def lacks_document(ticket: Ticket) -> bool:
    """Return whether the ticket has a file that is not stored yet."""
    is_file = (ticket.kind in _KINDS_WITH_FILE or ticket.wallet == "apple") and ticket.url is not None
    return is_file and ticket.document is None and admits_someone(ticket)


def missing_document_urls(tickets: Iterable[Ticket]) -> list[str]:
    """Return the URLs of files that are not stored yet, each once."""
    return list(dict.fromkeys(ticket.url for ticket in tickets if lacks_document(ticket) and ticket.url))


def attach_file(ticket: Ticket, file: TicketFile) -> Ticket:
    """Return the ticket with its file. A ticket that is a file gets the kind of that file."""
    kind = file.kind if ticket.kind in _FILE_KINDS | {TicketKind.WALLET} else ticket.kind
    extra = _without_remarks(ticket)
    if file.warning:
        extra[DOCUMENT_WARNING] = file.warning
    return replace(ticket, kind=kind, document=file.document, content_type=file.content_type, extra=extra)


def attach_documents(tickets: Sequence[Ticket], files: Mapping[str, TicketFile]) -> tuple[Ticket, ...]:
    """Return the tickets, with the `files` (by URL) that were fetched for those without a document."""
    return tuple(
        _with_file(ticket, files.get(ticket.url or "")) if lacks_document(ticket) else ticket for ticket in tickets
    )


def carry_over_documents(tickets: Sequence[Ticket], before: Sequence[Ticket]) -> tuple[Ticket, ...]:
    """Return the tickets as the provider lists them now, with the documents that the same tickets had before.

    A ticket is the same when its URL is. Providers that sign their URLs anew for each response change the query alone,
    so it is also the same when all but the query is, and it is the only such ticket in both lists.
    """
    by_url = {ticket.url: stored_file(ticket) for ticket in before if ticket.url and ticket.document}
    by_url |= {url: stored_file(ticket) for ticket in before if ticket.document for url in listed_urls(ticket)}
    old, new = _by_content(before), _by_content(tickets)

    def file(ticket: Ticket) -> TicketFile | None:
        if ticket.url in by_url:
            return by_url[ticket.url]
        same = [one for one in old[_content(ticket)] if _agree(ticket, one)]
        if len(same) != 1 or sum(_agree(one, same[0]) for one in new[_content(ticket)]) != 1:
            return None
        return stored_file(same[0])

    return tuple(_with_file(ticket, file(ticket)) if lacks_document(ticket) else ticket for ticket in tickets)


def stored_file(ticket: Ticket) -> TicketFile | None:
    """Return the stored file of a ticket, or `None`."""
    if ticket.document is None:
        return None
    # Tickets had no content type as long as all documents were PDFs.
    return TicketFile(ticket.document, ticket.content_type or "application/pdf", ticket.extra.get(DOCUMENT_WARNING))


def mark_given_up(tickets: Iterable[Ticket], reasons: Mapping[str, str]) -> tuple[Ticket, ...]:
    """Return the tickets; those without a document whose URL was given up carry the reason (`reasons` by URL)."""
    return tuple(
        replace(ticket, extra={**ticket.extra, DOCUMENT_ERROR: reasons[ticket.url]})
        if lacks_document(ticket) and ticket.url and ticket.url in reasons
        else ticket
        for ticket in tickets
    )


def given_up_reasons(tickets: Iterable[Ticket]) -> str | None:
    """Return why missing documents were given up, each reason once, or `None`."""
    reasons = {
        str(ticket.extra[DOCUMENT_ERROR])
        for ticket in tickets
        if lacks_document(ticket) and DOCUMENT_ERROR in ticket.extra
    }
    return "; ".join(sorted(reasons)) or None


def with_inline_file(ticket: Ticket, content: bytes) -> Ticket:
    """Return the ticket with the content of its file in place of a URL.

    Some responses contain the file itself. An adapter does no I/O, so it puts the file into a `data:` URL. The use case
    that stores the file takes it out again before anything else is written.
    """
    return replace(ticket, url=_INLINE_PREFIX + binascii.b2a_base64(content, newline=False).decode())


def inline_file(ticket: Ticket) -> bytes | None:
    """Return the content of a file that a response contained, or `None`."""
    if ticket.url is None or not ticket.url.startswith(_INLINE_PREFIX):
        return None
    return binascii.a2b_base64(ticket.url.removeprefix(_INLINE_PREFIX))


def _with_file(ticket: Ticket, file: TicketFile | None) -> Ticket:
    return attach_file(ticket, file) if file else ticket


def _without_remarks(ticket: Ticket) -> dict[str, object]:
    return {name: value for name, value in ticket.extra.items() if name not in _REMARKS}


def _by_content(tickets: Iterable[Ticket]) -> Mapping[Hashable, list[Ticket]]:
    found: dict[Hashable, list[Ticket]] = defaultdict(list)
    for ticket in tickets:
        found[_content(ticket)].append(ticket)
    return found


def _content(ticket: Ticket) -> Hashable:
    """Return what distinguishes a ticket from the others of its order, without the query of its URL."""
    seat = (ticket.section, ticket.row, ticket.seat, ticket.valid_from, ticket.valid_until)
    return ticket.comparison_kind, without_query(ticket.url) or "", ticket.code, *seat


def _agree(one: Ticket, two: Ticket) -> bool:
    """Return whether two tickets differ in no field of `extra` that both have."""
    return all(one.extra[name] == two.extra[name] for name in one.extra.keys() & two.extra.keys() - _REMARKS)
