"""The tickets of one Funtrips record, from its list of tickets, its own codes or its PDF.

An entry of the list is one ticket, whatever number of codes it has: they share an entrance, so that it never counts for
more people than the provider lists. The PDF of a record with a list contains all of its tickets, so it is a document of
the order beside them; without a list the PDF is the ticket.

https://docs.funtrips.io · https://docs.funtrips.io/reference/admingetuserfulfillmentordertickets
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from willcall.orders.model import DocumentKind, OrderDocument, Ticket, TicketEvent, TicketKind, TicketStatus
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import Tickets, admits_someone, without_duplicates
from willcall.orders.urls import without_query
from willcall.providers.dates import is_older
from willcall.providers.funtrips import fields as read
from willcall.providers.reading import LONGEST_SHARED, as_list, as_object, as_text, extra_fields
from willcall.providers.ticket_status import ticket_status

Documents = tuple[OrderDocument, ...]
#: Most tickets of one record that are read.
_MOST_TICKETS = 1_000
#: Keys of a ticket's id in `Ticket.extra`. One entry's codes share it, so that they count once: the provider's own id,
#: otherwise the first of the codes.
_IDS = ("ticket_id", "ticket_uid", "ticket")


@dataclass(frozen=True, slots=True)
class RecordTickets:
    """The tickets of records, and the PDFs that contain several of them.

    `listed` is the number of entries that let somebody in, each counted as often as it is listed. `unreadable`: there
    are tickets with neither a code nor a PDF. `withheld`: some cannot be delivered yet.
    """

    tickets: Tickets = ()
    documents: Documents = ()
    listed: int = 0
    unreadable: bool = False
    withheld: bool = False

    @property
    def distinct(self) -> Tickets:
        """The tickets, each once."""
        return without_duplicates(self.tickets)

    @property
    def count(self) -> int:
        """How many people the tickets let in, at least."""
        return count_admissions(self.tickets)

    @property
    def repeated(self) -> bool:
        """Whether a ticket is listed more than once."""
        return self.listed > self.count

    @property
    def lacks_files(self) -> bool:
        """Whether a ticket has no PDF, neither of its own nor in one for all."""
        return not self.documents and any(admits_someone(ticket) and not ticket.url for ticket in self.tickets)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What a record says about each of its tickets."""

    title: str | None = None
    event: TicketEvent | None = None
    validity: tuple[str | None, str | None] = (None, None)
    entrance: str | None = None
    holder: Mapping[str, Any] = field(default_factory=dict, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def entries_of(record: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], dict[str, Any]]:
    """Return the entries of a record's list of tickets, and its other fields. Codes of the record are entries too."""
    rest = dict(record)
    entries = [as_object(entry) for entry in as_list(rest.pop("tickets", None))[:_MOST_TICKETS]]
    codes = [] if entries else read.take_codes(rest)
    return entries or [{"barcode": code.value, "barcode_format": code.format} for code in codes], rest


def read_tickets(record: Mapping[str, Any], files: Iterable[str] = (), bought_at: float = -math.inf) -> RecordTickets:
    """Return the tickets of one record, without those that are older than an order.

    `files` are further PDFs of its tickets.
    """
    entries, rest = entries_of(record)
    pdf = read.take_pdf(rest)
    shared = _shared(rest)
    if not entries:
        return RecordTickets() if pdf is None else RecordTickets((_of_record(pdf, shared, record),), listed=1)
    whole = sum_up(part for entry in entries if (part := _entry(entry, shared, bought_at)))
    own = {without_query(ticket.url) for ticket in whole.tickets}
    extra = (url for url in (pdf, *files) if url and without_query(url) not in own)
    return replace(whole, documents=tuple(OrderDocument(DocumentKind.TICKETS, url=url) for url in extra))


def sum_up(parts: Iterable[RecordTickets]) -> RecordTickets:
    """Return the tickets of several entries or records together."""
    every = list(parts)
    return RecordTickets(
        tickets=tuple(ticket for part in every for ticket in part.tickets),
        documents=tuple({document.url: document for part in every for document in part.documents}.values()),
        listed=sum(part.listed for part in every),
        unreadable=any(part.unreadable for part in every),
        withheld=any(part.withheld for part in every),
    )


def _shared(rest: dict[str, Any]) -> _Shared:
    """Return what a record says beyond its tickets; `rest` is changed."""
    holder = read.take_personal(rest)
    return _Shared(
        title=read.take_title(rest),
        event=read.take_event(rest),
        validity=read.take_validity(rest),
        entrance=read.take_text(rest, "entrance", "gate"),
        holder=extra_fields(holder, LONGEST_SHARED),
        extra=extra_fields(rest, LONGEST_SHARED),
    )


def _of_record(pdf: str, shared: _Shared, record: Mapping[str, Any]) -> Ticket:
    """Return the PDF of a record without a list as its ticket."""
    return Ticket(
        TicketKind.PDF,
        url=pdf,
        valid_from=shared.validity[0],
        valid_until=shared.validity[1],
        title=shared.title,
        event=shared.event,
        entrance=shared.entrance,
        holder=shared.holder or None,
        extra=shared.extra,
        covers=read.stated_count(record),
    )


def _entry(entry: Mapping[str, Any], shared: _Shared, bought_at: float) -> RecordTickets | None:
    """Return the ticket of one entry: a ticket for each of its codes, each with the PDF; or the PDF alone.

    `None` if it is older than the order.
    """
    rest = dict(entry)
    begin, end = read.take_validity(rest)
    if is_older({**entry, "valid_until": end}, bought_at):
        return None
    if read.is_withheld(entry):
        return RecordTickets(withheld=True)
    codes, pdf = read.take_codes(rest), read.take_pdf(rest)
    if not codes and pdf is None:
        return RecordTickets(unreadable=True)
    holder = read.take_personal(rest)
    title = read.take_title(rest) or (None if holder else read.take_text(rest, "name"))
    seat, event = read.take_seat(rest), read.take_event(rest)
    price, fee = read.take_money(rest, "price"), read.take_money(rest, "fee")
    if price or fee:
        rest.pop("currency", None)
    if len(codes) > 1 and not any(isinstance(rest.get(name), str) for name in _IDS):
        rest[next((name for name in _IDS if name not in rest), _IDS[0])] = min(code.value for code in codes)
    ticket = Ticket(
        TicketKind.PDF,
        url=pdf,
        **{**seat, "entrance": seat["entrance"] or shared.entrance},  # type: ignore[arg-type]
        valid_from=begin or shared.validity[0],
        valid_until=end or shared.validity[1],
        status=ticket_status(as_text(rest.get("status"))) or TicketStatus.VALID,
        title=title or shared.title,
        event=_joined(event, shared.event),
        price=price,
        fee=fee,
        holder={**shared.holder, **extra_fields(holder)} or None,
        extra=extra_fields({**rest, "fulfillment": shared.extra or None}),
    )
    if codes:
        kind = TicketKind.BARCODE
        tickets = tuple(replace(ticket, kind=kind, code=code.value, code_format=code.format) for code in codes)
    else:
        tickets = (ticket,)
    return RecordTickets(tickets, listed=int(admits_someone(ticket)))


def _joined(event: TicketEvent | None, shared: TicketEvent | None) -> TicketEvent | None:
    """Return the event of a ticket, with what the record says beyond it; another event of the record is ignored."""
    if event is None or shared is None:
        return event or shared
    names = ("id", "title", "starts_at", "ends_at", "venue", "city", "country")
    if any(None not in (one := {getattr(event, name), getattr(shared, name)}) and len(one) > 1 for name in names):
        return event
    return TicketEvent(**{name: getattr(event, name) or getattr(shared, name) for name in names})
