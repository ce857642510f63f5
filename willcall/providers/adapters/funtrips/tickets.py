"""The tickets inside a Funtrips fulfilment record: codes, and the PDF of a ticket or of the whole record.

https://docs.funtrips.io/reference/admingetuserfulfillmentordertickets
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from willcall.orders.model import Ticket, TicketKind
from willcall.providers.reading import kept, listed, table, text, web_link

_CODES = ("barcode", "code", "qr_code")
_PLACE = ("section", "row", "seat", "valid_from", "valid_until")
_TICKET_FIELDS = {*_CODES, *_PLACE, "pdf_url"}
_RECORD_FIELDS = {"tickets", "pdf_url"}


@dataclass(frozen=True, slots=True)
class Contents:
    """What records hold.

    `count` is the tickets in it as a customer counts them: the PDF of a whole record is one only where the
    record has no others. `unreadable` says that there are some with neither a code nor a PDF.
    """

    tickets: tuple[Ticket, ...]
    count: int
    unreadable: bool


def contents_of(record: Mapping[str, Any]) -> Contents:
    """The tickets of one record, its own PDF last."""
    rest = kept(_beyond(record, _RECORD_FIELDS))
    found = [_ticket(table(entry), rest) for entry in listed(record.get("tickets"))]
    tickets = [ticket for ticket in found if ticket is not None]
    count = len(tickets)
    url = web_link(record.get("pdf_url"))
    if url is not None:
        tickets.append(Ticket(TicketKind.PDF, url=url, extra=rest))
    return Contents(tuple(tickets), count or len(tickets), unreadable=len(found) > count)


def _ticket(entry: Mapping[str, Any], record: Mapping[str, Any]) -> Ticket | None:
    """One ticket: its code with its PDF's address beside it, or the PDF alone; None where it has neither."""
    code = next((code for name in _CODES if (code := text(entry.get(name)))), None)
    url = web_link(entry.get("pdf_url"))
    if code is None and url is None:
        return None
    extra = kept({**_beyond(entry, _TICKET_FIELDS), "fulfillment": record or None})
    kind = TicketKind.PDF if code is None else TicketKind.BARCODE
    place = {name: text(entry.get(name)) for name in _PLACE}
    return Ticket(kind, url=url, code=code, extra=extra, **place)


def _beyond(fields: Mapping[str, Any], ours: set[str]) -> dict[str, Any]:
    """The fields that we do not read, and those that we read but that hold more than a word."""
    return {
        name: value
        for name, value in fields.items()
        if name not in ours or (name != "tickets" and isinstance(value, dict | list))
    }
