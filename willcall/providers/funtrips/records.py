"""Funtrips' fulfilment records, and the pages on which they are listed.

The response's body is not documented in full, so any likely form is accepted. The meaning of a record's status is
inferred from the names of events; by the guide, a 200 with tickets has the tickets whatever it says.

https://docs.funtrips.io · https://docs.funtrips.io/reference/adminlistuserfulfillmentorders
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from willcall.http.messages import Response
from willcall.orders.outcomes import Malformed
from willcall.providers.dates import created_before, is_older, issued_at
from willcall.providers.funtrips.fields import is_withheld, take_validity
from willcall.providers.funtrips.tickets import RecordTickets, read_tickets
from willcall.providers.reading import as_list, as_object, as_text, read_json, status_word

_LISTS = ("items", "data", "results", "fulfillments")
#: A record has at least one of these fields; other objects are not records.
_RECORD_FIELDS = {
    *("tickets", "pdf_url", "pdf", "barcode", "barcodes", "status", "state"),
    *("checkout_id", "external_user_id", "fulfillment_order_id"),
}
#: Names of the next page's cursor or address, and of the objects in which they may be.
_CURSORS = ("next_cursor", "next", "cursor")
_PAGINATION = ("pagination", "paging", "meta", "links", "_links")
_MEMBERS = ("href", "url", "cursor", "next_cursor")
_LONGEST_CURSOR = 4_096


class RecordStatus(Enum):
    """The meaning of a record's status word. UNSTATED: it has none."""

    WAITING = auto()
    COMPLETED = auto()
    FAILED = auto()
    CANCELLED = auto()
    UNKNOWN = auto()
    UNSTATED = auto()


#: What each status of a record means, in lower case. https://docs.funtrips.io/reference/confirmfulfillment
STATUSES: Mapping[str, RecordStatus] = {
    "pending": RecordStatus.WAITING,
    "confirmed": RecordStatus.WAITING,
    "completed": RecordStatus.COMPLETED,
    "failed": RecordStatus.FAILED,
    "cancelled": RecordStatus.CANCELLED,
    "canceled": RecordStatus.CANCELLED,
}
ENDED = frozenset({RecordStatus.FAILED, RecordStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Record:
    """One fulfilment record, with its status word and the meaning of that.

    `files` are PDFs of its tickets of which it is unknown to which ticket each belongs.
    """

    fields: Mapping[str, Any]
    word: str | None
    status: RecordStatus
    files: tuple[str, ...] = ()
    _read: dict[float, RecordTickets] = field(default_factory=dict, compare=False, repr=False)

    @property
    def checkout(self) -> str | None:
        """The checkout that it belongs to, if it names one."""
        return as_text(self.fields.get("checkout_id"))

    @property
    def tickets(self) -> RecordTickets:
        """Its tickets, of any age."""
        return self.tickets_since(-math.inf)

    @property
    def has_tickets(self) -> bool:
        """Whether its tickets may be used. The PDF of a waiting record that lists none yet is not a ticket."""
        return not is_withheld(self.fields) and (self.status is not RecordStatus.WAITING or self.is_itemised)

    @property
    def is_itemised(self) -> bool:
        """Whether it has a list of tickets, rather than one PDF for all of them."""
        return bool(as_list(self.fields.get("tickets"))) or any(ticket.code for ticket in self.tickets.tickets)

    @property
    def is_open(self) -> bool:
        """Whether tickets of the record are still missing, or were lost, while others of its order have theirs."""
        if self.status is RecordStatus.CANCELLED:
            return False
        if is_withheld(self.fields) or self.tickets.withheld or self.status is RecordStatus.FAILED:
            return True
        if self.status in {RecordStatus.WAITING, RecordStatus.UNKNOWN}:
            return not (self.has_tickets and self.tickets.tickets)
        return False

    @property
    def is_incomplete(self) -> bool:
        """Whether a list may have left out tickets of a record that has some."""
        if self.status in ENDED or not self.has_tickets or self.tickets.withheld:
            return False
        return self.tickets.unreadable or (self.status is RecordStatus.COMPLETED and not self.tickets.tickets)

    @property
    def changed_at(self) -> float | None:
        """When it was issued or last changed, in epoch seconds."""
        return issued_at(self.fields)

    def is_older(self, bought_at: float) -> bool:
        """Return whether it is too old for an order that was bought at `bought_at`."""
        _, end = take_validity(dict(self.fields))
        dated = {**self.fields, "valid_until": end}
        return is_older(dated, bought_at) or created_before(self.fields, bought_at)

    def tickets_since(self, bought_at: float) -> RecordTickets:
        """Return its tickets, without those that are older than an order."""
        if bought_at not in self._read:
            self._read[bought_at] = read_tickets(self.fields, self.files, bought_at)
        return self._read[bought_at]


@dataclass(frozen=True, slots=True)
class Page:
    """The records of one response, and the cursor or the address of the next page.

    `is_certain`: the name says so; a mere `cursor` may be that of the page itself.
    """

    records: Sequence[Record]
    next: str | None = None
    is_certain: bool = True


def read_page(response: Response) -> Page | Malformed:
    """Read a record, a list of records, or an object with such a list; an empty list is no record yet."""
    body = read_json(response)
    if isinstance(body, Malformed):
        return body
    entries = _entries(body)
    if entries is None or not all(_is_record(entry) for entry in entries):
        return Malformed(detail="no fulfilment records in the response")
    following = _next(body) if isinstance(body, dict) else None
    return Page(list(map(_record, entries)), *(following or ()))


def words(records: Iterable[Record]) -> str | None:
    """Return the status words of all records, each once."""
    return status_word(", ".join(dict.fromkeys(record.word for record in records if record.word)))


def of_checkout(checkout: str, records: Sequence[Record]) -> list[Record] | Malformed:
    """Return the records that do not name another checkout."""
    return _of("checkout_id", checkout, records)


def of_user(user: str | None, records: Sequence[Record]) -> list[Record] | Malformed:
    """Return the records that do not name another user. `None` is the owner of the bearer."""
    return list(records) if user is None else _of("external_user_id", user, records)


def _of(name: str, value: str, records: Sequence[Record]) -> list[Record] | Malformed:
    ours = [record for record in records if as_text(record.fields.get(name)) in {None, value}]
    return Malformed(detail="only records of other orders") if records and not ours else ours


def _entries(body: object) -> list[Any] | None:
    """Return the entries of the first list in a body, or the body itself as the only one."""
    if isinstance(body, list):
        return body
    if not isinstance(body, dict):
        return None
    if "tickets" in body:
        return [body]
    for name in _LISTS:
        if isinstance(body.get(name), list):
            return list(body[name])
    inner = as_object(body.get("data"))
    if isinstance(body.get("data"), dict) and not _is_record(body):
        return [inner] if _is_record(inner) else next((inner[name] for name in _LISTS if _is_list(inner, name)), None)
    return [body]


def _is_list(fields: Mapping[str, Any], name: str) -> bool:
    return isinstance(fields.get(name), list)


def _next(body: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Return the cursor or the address of the next page, and whether it is certain to be one."""
    for fields in (body, *(as_object(body.get(name)) for name in _PAGINATION), as_object(body.get("data"))):
        if fields.get("has_more") is False:
            return None
        for name in _CURSORS:
            value = fields.get(name)
            members = as_object(value)
            found = as_text(value) or next((text for each in _MEMBERS if (text := as_text(members.get(each)))), None)
            if found and len(found) <= _LONGEST_CURSOR and found.isprintable():
                return found, name != _CURSORS[-1]
    return None


def _is_record(entry: object) -> bool:
    return isinstance(entry, dict) and not _RECORD_FIELDS.isdisjoint(entry)


def _record(fields: Mapping[str, Any]) -> Record:
    word = next((word for name in ("status", "state") if (word := status_word(fields.get(name)))), None)
    status = RecordStatus.UNSTATED if word is None else STATUSES.get(word.lower(), RecordStatus.UNKNOWN)
    return Record(fields, word, status)
