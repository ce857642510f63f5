"""The tickets in a Tixstock order: files and mobile links per item, or one parcel for all of it."""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from willcall.orders.model import Ticket, TicketKind
from willcall.providers.reading import kept, listed, table, text, web_link

#: How `%PDF-` begins in base64.
_PDF_IN_BASE64 = "JVBERi0"
#: Where an object in `file` might hold its address; its shape is documented nowhere.
_FILE_FIELDS = ("url", "file", "link")

_INLINE = "a PDF inside the answer is counted, not kept"
_UNKNOWN_FILE = "a file of unknown shape is not counted"


@dataclass(frozen=True, slots=True)
class Entrance:
    """What one item of an order holds: its tickets, for how many people, and what is odd about them."""

    tickets: tuple[Ticket, ...]
    count: int
    remarks: frozenset[str]


def entrance_of(item: object) -> Entrance:
    """The tickets of one item. A file and a link for the same seat let one person in."""
    fields = table(item)
    files = [(entry, _file_ticket(fields, entry)) for entry in listed(fields.get("file")) if entry]
    pdfs = _once(ticket for _, ticket in files if ticket)
    links = _once(_link_tickets(fields))
    inline = {_INLINE for ticket in pdfs if ticket.url is None}
    unknown = {_UNKNOWN_FILE for _, ticket in files if ticket is None}
    return Entrance(pdfs + links, max(len(pdfs), len(links)), frozenset(inline | unknown))


def shipment_of(order: Mapping[str, Any]) -> Ticket | None:
    """The parcel with the paper tickets of the whole order, None before there is a tracking id."""
    details = table(order.get("paper_ticket_details"))
    tracking = text(order.get("shipping_tracking_id")) or text(details.get("shipping_tracking_id"))
    if tracking is None:
        return None
    partner = text(order.get("delivery_partner_name")) or text(details.get("delivery_partner_name"))
    return Ticket(TicketKind.SHIPMENT, code=tracking, extra=kept({"delivery_partner_name": partner}))


def _file_ticket(item: Mapping[str, Any], entry: object) -> Ticket | None:
    """A PDF by its address or, where its bytes are in the answer, by its hash; None for anything else."""
    file = table(entry)
    value = next((file[name] for name in _FILE_FIELDS if file.get(name)), None) if file else entry
    ticket = _placed(TicketKind.PDF, item, file)
    url = web_link(value)
    if url:
        return replace(ticket, url=url)
    digest = _pdf_digest(text(value) or "")
    return replace(ticket, extra={**ticket.extra, "inline": True, "sha256": digest}) if digest else None


def _pdf_digest(value: str) -> str | None:
    """SHA-256 of a PDF in base64 (with or without a `data:` header), None where it is none."""
    encoded = value.rpartition("base64,")[2]
    if not encoded.startswith(_PDF_IN_BASE64):
        return None
    try:
        return sha256(b64decode(encoded)).hexdigest()
    except ValueError:
        return None


def _link_tickets(item: Mapping[str, Any]) -> Iterator[Ticket]:
    for entry in listed(item.get("mobile_links")):
        fields = table(entry)
        url = web_link(fields.get("link") if fields else entry)
        if url:
            yield replace(_placed(TicketKind.LINK, item, fields), url=url)


def _placed(kind: TicketKind, item: Mapping[str, Any], part: Mapping[str, Any]) -> Ticket:
    """A ticket at its place: the part's own seat where it names one, else the item's."""
    section, row, seat = (text(part.get(name)) or text(item.get(name)) for name in ("section", "row", "seat"))
    extra = {
        "listing_id": text(item.get("listing_id")),
        "type": text(item.get("type")),
        "general_admission": _truth(item.get("general_admission")),
    }
    return Ticket(kind, section=section, row=row, seat=seat, extra=kept(extra))


def _truth(value: object) -> bool | None:
    """Tixstock's booleans come as booleans, as 1 and 0, and as words."""
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get((text(value) or "").lower())


def _once(tickets: Iterator[Ticket]) -> tuple[Ticket, ...]:
    """Each ticket once: the same file twice lets one person in."""
    return tuple({(t.url, t.extra.get("sha256"), t.section, t.row, t.seat): t for t in tickets}.values())
