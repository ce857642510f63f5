"""Files of an order rather than of one ticket: a receipt, instruction letters, proofs.

They are fetched and stored like the files of tickets. To share that code, they take the form of a ticket on the way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from willcall.orders.model import DocumentKind, OrderDocument, Ticket, TicketKind
from willcall.orders.ticket_documents import DOCUMENT_ERROR, missing_document_urls
from willcall.orders.ticket_identity import Tickets
from willcall.orders.urls import without_query

Documents = tuple[OrderDocument, ...]

#: Most files that an order keeps besides those of its tickets.
MAX_DOCUMENTS = 100
#: Key in `Ticket.extra` of a document in the form of a ticket: its own kind.
_KIND = "order_document"


def merge_documents(present: Sequence[OrderDocument], new: Sequence[OrderDocument]) -> Documents:
    """Return the documents of an order together with those of an answer or a push.

    A document with the same address, whatever its query, is the same one: it keeps its stored file. None is removed:
    what was stored stays, although an answer no longer names it.
    """
    result = {_key(document): document for document in present}
    for document in new:
        known = result.get(_key(document))
        if known is None:
            result[_key(document)] = document
        else:
            stored = document if document.document else known
            result[_key(document)] = replace(stored, url=document.url)
    return tuple(result.values())[:MAX_DOCUMENTS]


def missing_urls(tickets: Iterable[Ticket], documents: Iterable[OrderDocument]) -> list[str]:
    """Return the addresses of files that are not stored yet, of tickets and of the order itself."""
    return missing_document_urls([*tickets, *as_tickets(documents)])


def as_tickets(documents: Iterable[OrderDocument]) -> Tickets:
    """Return documents whose file is wanted or stored as tickets. A page that turned out to be no file is left out."""
    return tuple(
        Ticket(
            TicketKind.PDF,
            document=document.document,
            url=document.url,
            content_type=document.content_type,
            extra={**document.extra, _KIND: document.kind.value},
        )
        for document in documents
        if DOCUMENT_ERROR not in document.extra
    )


def split_tickets(files: Iterable[Ticket]) -> tuple[Tickets, Documents]:
    """Return the tickets, and the documents that have the form of one."""
    tickets = tuple(files)
    return (
        tuple(ticket for ticket in tickets if _KIND not in ticket.extra),
        tuple(_as_document(ticket) for ticket in tickets if _KIND in ticket.extra),
    )


def mark_pages(documents: Iterable[OrderDocument], pages: Mapping[str, str]) -> Documents:
    """Return the documents; those whose address leads to no file carry the reason (`pages` by address)."""
    return tuple(
        replace(document, extra={**document.extra, DOCUMENT_ERROR: pages[document.url]})
        if document.url in pages and document.url and document.document is None
        else document
        for document in documents
    )


def _as_document(ticket: Ticket) -> OrderDocument:
    extra = {name: value for name, value in ticket.extra.items() if name != _KIND}
    return OrderDocument(DocumentKind(ticket.extra[_KIND]), ticket.url, ticket.document, ticket.content_type, extra)


def _key(document: OrderDocument) -> tuple[DocumentKind, str | None, str | None]:
    return document.kind, without_query(document.url), None if document.url else document.document
