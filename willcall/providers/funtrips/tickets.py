"""The tickets inside a Funtrips fulfilment record: codes, and the PDF of a ticket or of the whole record.

https://docs.funtrips.io/reference/admingetuserfulfillmentordertickets
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from willcall.orders.model import Ticket, TicketKind, TicketStatus
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import admits_someone, without_duplicates
from willcall.providers.dates import is_older
from willcall.providers.reading import as_list, as_object, as_text, as_web_url, extra_fields
from willcall.providers.ticket_status import ticket_status

_CODES = ("barcode", "code", "qr_code")
_PLACE = ("section", "row", "seat", "valid_from", "valid_until")
_TICKET_FIELDS = {*_CODES, *_PLACE, "pdf_url"}
_RECORD_FIELDS = {"tickets", "pdf_url"}


@dataclass(frozen=True, slots=True)
class Contents:
    """What records hold.

    `tickets` are those in their lists, `files` the PDFs of whole records. `unreadable` says that there are tickets
    with neither a code nor a PDF.
    """

    tickets: tuple[Ticket, ...] = ()
    files: tuple[Ticket, ...] = ()
    unreadable: bool = False

    @property
    def everything(self) -> tuple[Ticket, ...]:
        """What the customer gets, each ticket once."""
        return without_duplicates((*self.tickets, *self.files))

    @property
    def count(self) -> int:
        """How many people get in at least."""
        return count_admissions(self.tickets)

    @property
    def repeated(self) -> bool:
        """Whether a ticket is listed more than once."""
        return sum(map(admits_someone, self.tickets)) > self.count


def contents_of(record: Mapping[str, Any], bought_at: float = -math.inf) -> Contents:
    """Return the tickets of one record, and its own PDF; without those that are older than an order."""
    rest = extra_fields(_beyond(record, _RECORD_FIELDS))
    entries = [as_object(entry) for entry in as_list(record.get("tickets"))]
    found = [_ticket(entry, rest) for entry in entries if not is_older(entry, bought_at)]
    tickets = tuple(ticket for ticket in found if ticket is not None)
    url = as_web_url(record.get("pdf_url"))
    files = () if url is None else (Ticket(TicketKind.PDF, url=url, extra=rest),)
    return Contents(tickets, files, unreadable=len(found) > len(tickets))


def contents_of_all(records: Iterable[Mapping[str, Any]], bought_at: float = -math.inf) -> Contents:
    """Return what several records hold together, without what is older than an order.

    A record without a list of tickets holds them in its PDF, which then stands among the tickets.
    """
    parts = [(contents_of(record, bought_at), bool(as_list(record.get("tickets")))) for record in records]
    return Contents(
        tickets=tuple(ticket for part, itemised in parts for ticket in (part.tickets if itemised else part.files)),
        files=tuple(file for part, itemised in parts if itemised for file in part.files),
        unreadable=any(part.unreadable for part, _ in parts),
    )


def _ticket(entry: Mapping[str, Any], record: Mapping[str, Any]) -> Ticket | None:
    """One ticket: its code with its PDF's address beside it, or the PDF alone; None where it has neither."""
    code = next((code for name in _CODES if (code := as_text(entry.get(name)))), None)
    url = as_web_url(entry.get("pdf_url"))
    if code is None and url is None:
        return None
    extra = extra_fields({**_beyond(entry, _TICKET_FIELDS), "fulfillment": record or None})
    kind = TicketKind.PDF if code is None else TicketKind.BARCODE
    place = {name: as_text(entry.get(name)) for name in _PLACE}
    status = ticket_status(as_text(entry.get("status"))) or TicketStatus.VALID
    return Ticket(kind, url=url, code=code, status=status, extra=extra, **place)


def _beyond(fields: Mapping[str, Any], ours: set[str]) -> dict[str, Any]:
    """The fields that we do not read, and those that we read but that hold more than a word."""
    return {
        name: value
        for name, value in fields.items()
        if name not in ours or (name != "tickets" and isinstance(value, dict | list))
    }
