"""Funtrips' fulfilment records: their tickets, and the outcome for one order or user.

The response's body is not documented in full, so any likely form is accepted. The meaning of a record's status is
inferred from the names of events; by the guide, a 200 with tickets has the tickets whatever it says.

https://docs.funtrips.io · https://docs.funtrips.io/reference/adminlistuserfulfillmentorders
https://docs.funtrips.io/reference/admingetuserfulfillmentordertickets
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from willcall.orders.model import Ticket, TicketKind, TicketStatus
from willcall.orders.outcomes import Cancelled, Declined, Issued, Malformed, NotReady, Outcome, PartlyIssued
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import Tickets, admits_someone, without_duplicates
from willcall.orders.user_lists import Purchase, select_tickets, ticket_keys
from willcall.providers.base import OrderQuery
from willcall.providers.dates import created_before, is_older, issued_at
from willcall.providers.funtrips.fields import (
    PERSONS,
    file_url,
    first_text,
    read_code,
    read_event,
    read_holder,
    read_money,
    read_validity,
)
from willcall.providers.reading import (
    LONGEST_SHARED,
    as_list,
    as_object,
    as_text,
    extra_fields,
    status_word,
)
from willcall.providers.ticket_status import ticket_status

_LISTS = ("items", "data", "results", "fulfillments")
#: A record has at least one of these fields; other objects are not records.
_RECORD_FIELDS = {"tickets", "barcodes", "pdf_url", "status", "state", "checkout_id", "external_user_id"}
#: Fields that are read, and so left out of a ticket's `extra`.
_TICKET_LIST_FIELDS = {"tickets", "pdf_url", *PERSONS}
_CODES = ("barcode", "code", "qr_code")
_SEAT = ("section", "row", "seat")
_TICKET_FIELDS = {*_CODES, *_SEAT, "valid_from", "valid_until", "pdf_url", "deliverable", *PERSONS}


class RecordStatus(Enum):
    """The meaning of a record's status word. UNSTATED: it has none."""

    WAITING = auto()
    COMPLETED = auto()
    FAILED = auto()
    CANCELLED = auto()
    UNKNOWN = auto()
    UNSTATED = auto()


_ENDED = {RecordStatus.FAILED, RecordStatus.CANCELLED}


@dataclass(frozen=True, slots=True)
class Record:
    """One fulfilment record, with its status word and the meaning of that."""

    fields: Mapping[str, Any]
    word: str | None
    status: RecordStatus

    @property
    def checkout(self) -> str | None:
        """The checkout that it belongs to, if it names one."""
        return as_text(self.fields.get("checkout_id"))

    @property
    def has_tickets(self) -> bool:
        """Whether it has tickets. The PDF of a waiting record that lists none yet is not a ticket."""
        return self.status is not RecordStatus.WAITING or self.is_itemised

    @property
    def is_itemised(self) -> bool:
        """Whether it has a list of tickets, rather than one PDF for all of them."""
        return bool(self.entries)

    @property
    def entries(self) -> list[Mapping[str, Any]]:
        """Its tickets, as listed. Without such a list, each of its barcodes is a ticket."""
        tickets = [as_object(entry) for entry in as_list(self.fields.get("tickets"))]
        return tickets or [{"barcode": code} for code in as_list(self.fields.get("barcodes"))]

    @property
    def is_open(self) -> bool:
        """Whether tickets of the record are still missing, or were lost, while others of its order have theirs."""
        if self.status in {RecordStatus.WAITING, RecordStatus.UNKNOWN}:
            return not tickets_of(self).everything
        return self.status is RecordStatus.FAILED

    def is_older(self, bought_at: float) -> bool:
        """Return whether it is too old for an order that was bought at `bought_at`."""
        return is_older(self.fields, bought_at) or created_before(self.fields, bought_at)


@dataclass(frozen=True, slots=True)
class RecordTickets:
    """The tickets of records.

    `tickets` are those in their lists, `files` the PDFs of whole records. `unreadable`: there are tickets with neither
    a code nor a PDF. `undelivered`: there are tickets that are not deliverable yet.
    """

    tickets: Tickets = ()
    files: Tickets = ()
    unreadable: bool = False
    undelivered: bool = False

    @property
    def everything(self) -> Tickets:
        """The tickets for the customer, each once."""
        return without_duplicates((*self.tickets, *self.files))

    @property
    def count(self) -> int:
        """How many people the tickets let in, at least."""
        return count_admissions(self.tickets)

    @property
    def repeated(self) -> bool:
        """Whether a ticket is listed more than once."""
        return sum(map(admits_someone, self.tickets)) > self.count


def read_records(body: object, statuses: Mapping[str, RecordStatus]) -> list[Record] | Malformed:
    """Read a record, a list of records, or an object with such a list; an empty list is no record yet."""
    if isinstance(body, Malformed):
        return body
    if isinstance(body, dict):
        inner = () if "tickets" in body else (body[name] for name in _LISTS if isinstance(body.get(name), list))
        body = next(iter(inner), [body])
    if not isinstance(body, list) or not all(_is_record(entry) for entry in body):
        return Malformed(detail="no fulfilment records in the response")
    return [_record(entry, statuses) for entry in body]


def checkout_outcome(records: list[Record], checkout: str, quantity: int | None = None) -> Outcome:
    """Return the outcome of one checkout's records.

    A record that names another checkout is ignored, whatever the filter was. The order is failed or cancelled only if
    all records say so. A 200 has all tickets, so they are not counted: one may be for a group. But if tickets are
    listed repeatedly, and there are fewer different ones than the caller's `quantity`, some are missing.
    """
    ours = _of("checkout_id", checkout, records)
    if isinstance(ours, Malformed):
        return ours
    word = _words(ours)
    statuses = {record.status for record in ours}
    if statuses == {RecordStatus.CANCELLED}:
        return Cancelled("the checkout was cancelled", provider_status=word)
    live = [record for record in ours if record.status is not RecordStatus.CANCELLED and record.has_tickets]
    listed = tickets_of_all(live)
    if not listed.count:
        if statuses and statuses <= _ENDED:
            return Declined("the fulfilment failed", provider_status=word)
        return _without_tickets(statuses, word, unreadable=listed.unreadable)
    missing = _missing(listed, ours, quantity)
    if missing is None:
        return Issued(listed.everything, provider_status=word)
    return PartlyIssued(listed.everything, quantity, detail=missing, provider_status=word)


def user_outcome(records: list[Record], user: str | None, query: OrderQuery) -> Outcome:
    """Return the outcome of a user's list: issued once it has as many of the order's own tickets as were bought.

    It also lists other orders of the user. So a failed or cancelled record decides nothing, and tickets that are older
    than the order or owned by another one do not count.
    """
    ours = _of_user(user, records)
    if isinstance(ours, Malformed):
        return ours
    word, quantity = _words(ours), query.quantity or 1
    recent = [record for record in ours if record.status not in _ENDED and not record.is_older(query.bought_at)]
    found = [(record, tickets_of_all([record], query.bought_at)) for record in recent if record.has_tickets]
    purchases = [Purchase(listed.tickets, issued_at(record.fields)) for record, listed in found]
    own = select_tickets(purchases, quantity, query.ownership)
    tickets = without_duplicates((*own, *_own_files(own, (listed for _, listed in found))))
    count = count_admissions(own)
    if count >= quantity:
        return Issued(tickets, provider_status=word)
    if count:
        detail = f"{count} of {quantity} tickets"
        return PartlyIssued(tickets, quantity, detail=detail, provider_status=word)
    unreadable = tickets_of_all(record for record, _ in found).unreadable
    return _without_tickets({record.status for record in recent}, word, unreadable=unreadable)


def user_ticket_keys(records: list[Record], user: str | None) -> frozenset[str]:
    """Return what identifies all tickets in the list of one user."""
    ours = _of_user(user, records)
    return frozenset() if isinstance(ours, Malformed) else ticket_keys(tickets_of_all(ours).tickets)


def tickets_of(record: Record, bought_at: float = -math.inf) -> RecordTickets:
    """Return the tickets of one record and its own PDF, without those that are older than an order."""
    rest = extra_fields(_beyond(record.fields, _TICKET_LIST_FIELDS), LONGEST_SHARED)
    entries = [entry for entry in record.entries if not is_older(entry, bought_at)]
    delivered = [entry for entry in entries if _is_deliverable(entry) and _is_deliverable(record.fields)]
    found = [_ticket(entry, rest) for entry in delivered]
    tickets = tuple(ticket for ticket in found if ticket is not None)
    url = file_url(record.fields) if _is_deliverable(record.fields) else None
    covers = None if not record.is_itemised else len(entries)
    files = () if url is None else (Ticket(TicketKind.PDF, url=url, covers=covers, extra=rest),)
    return RecordTickets(
        tickets, files, unreadable=len(found) > len(tickets), undelivered=len(entries) > len(delivered)
    )


def tickets_of_all(records: Iterable[Record], bought_at: float = -math.inf) -> RecordTickets:
    """Return the tickets of several records, without those that are older than an order.

    The PDF of a record without a list of tickets contains them, so it counts as a ticket.
    """
    parts = [(tickets_of(record, bought_at), record.is_itemised) for record in records]
    return RecordTickets(
        tickets=tuple(ticket for part, itemised in parts for ticket in (part.tickets if itemised else part.files)),
        files=tuple(file for part, itemised in parts if itemised for file in part.files),
        unreadable=any(part.unreadable for part, _ in parts),
        undelivered=any(part.undelivered for part, _ in parts),
    )


def _missing(listed: RecordTickets, records: list[Record], quantity: int | None) -> str | None:
    """Return what is still missing of a checkout with tickets, or `None`."""
    if listed.unreadable or listed.undelivered or any(record.is_open for record in records):
        return "a part of the order has no tickets"
    if listed.repeated and listed.count < (quantity or 0):
        return f"{listed.count} of {quantity} tickets"
    return None


def _without_tickets(statuses: set[RecordStatus], word: str | None, *, unreadable: bool) -> NotReady | Malformed:
    if unreadable:
        return Malformed(detail="tickets without a code and without a PDF", provider_status=word)
    detail = "unknown status word" if RecordStatus.UNKNOWN in statuses else "no tickets yet"
    return NotReady(detail=detail, provider_status=word)


def _own_files(own: Tickets, found: Iterable[RecordTickets]) -> list[Ticket]:
    """Return the PDFs of records of which all tickets are the order's own."""
    wholly_own = (each for each in found if all(ticket in own for ticket in each.tickets if admits_someone(ticket)))
    return [file for listed in wholly_own for file in listed.files]


def _of(name: str, value: str, records: list[Record]) -> list[Record] | Malformed:
    """Return the records that do not name another order."""
    ours = [record for record in records if as_text(record.fields.get(name)) in {None, value}]
    return Malformed(detail="only records of other orders") if records and not ours else ours


def _of_user(user: str | None, records: list[Record]) -> list[Record] | Malformed:
    return records if user is None else _of("external_user_id", user, records)


def _words(records: Iterable[Record]) -> str | None:
    """Return the status words of all records, each once."""
    return status_word(", ".join(dict.fromkeys(record.word for record in records if record.word)))


def _is_record(entry: object) -> bool:
    return isinstance(entry, dict) and not _RECORD_FIELDS.isdisjoint(entry)


def _record(fields: Mapping[str, Any], statuses: Mapping[str, RecordStatus]) -> Record:
    word = next((word for name in ("status", "state") if (word := status_word(fields.get(name)))), None)
    status = RecordStatus.UNSTATED if word is None else statuses.get(word.lower(), RecordStatus.UNKNOWN)
    return Record(fields, word, status)


def _ticket(entry: Mapping[str, Any], record: Mapping[str, Any]) -> Ticket | None:
    """Return one ticket: its code, with the address of its PDF if there is one; or the PDF alone; or `None`."""
    code, code_format = read_code(entry, _CODES)
    url = file_url(entry)
    if code is None and url is None:
        return None
    valid_from, valid_until = read_validity(entry)
    return Ticket(
        TicketKind.PDF if code is None else TicketKind.BARCODE,
        url=url,
        code=code,
        code_format=code_format,
        section=as_text(entry.get("section")),
        row=as_text(entry.get("row")),
        seat=as_text(entry.get("seat")),
        valid_from=valid_from,
        valid_until=valid_until,
        status=ticket_status(as_text(entry.get("status"))) or TicketStatus.VALID,
        title=first_text(entry, "title", "name", "product_name"),
        entrance=first_text(entry, "entrance", "gate"),
        event=read_event(entry),
        price=read_money(entry.get("price")),
        holder=read_holder(entry),
        extra=extra_fields({**_beyond(entry, _TICKET_FIELDS), "fulfillment": record or None}),
    )


def _is_deliverable(fields: Mapping[str, Any]) -> bool:
    """Return whether something may be handed out already, which it may if nothing else is said."""
    return fields.get("deliverable") is not False


def _beyond(fields: Mapping[str, Any], read: set[str]) -> dict[str, Any]:
    """Return the fields that are not read, and those that are read but are lists or objects. Persons are left out."""
    return {
        name: value
        for name, value in fields.items()
        if name not in read or (name not in {"tickets", *PERSONS} and isinstance(value, dict | list))
    }
