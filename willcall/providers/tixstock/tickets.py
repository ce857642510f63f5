"""The tickets in Tixstock's orders and webhooks: files and mobile links per item, or one parcel for the order."""

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any
from urllib.parse import unquote

from willcall.orders.file_types import UnsupportedFileError, detect_file_type
from willcall.orders.model import Ticket, TicketKind
from willcall.orders.seating import normalize_label
from willcall.orders.ticket_documents import with_inline_file
from willcall.orders.ticket_identity import without_duplicates
from willcall.providers.reading import LONGEST_SHARED, as_list, as_object, as_text, as_web_url, extra_fields

#: Fields of an item that are read.
_READ = {
    *("listing_id", "type", "general_admission", "section", "row", "seat", "file", "mobile_links", "customer"),
    *("proof_file_url", "additional_file"),
}
#: Possible fields for the address in a `file` that is an object, whose shape is not documented.
_FILE_FIELDS = ("url", "file", "link")
#: A ticket whose file cannot be stored is not counted, and needs attention.
_UNKNOWN_FILE = "a file of unknown shape is not counted"

#: `data:application/pdf;base64,` or a remainder of it. https://www.rfc-editor.org/rfc/rfc2397
_DATA_HEADER = re.compile(r"(?:data:[^,]{0,200}?;?)?\s*base64,", re.IGNORECASE)
#: The alphabet for URLs and file names as the standard one. https://www.rfc-editor.org/rfc/rfc4648#section-5
_STANDARD = str.maketrans("-_", "+/")
_GROUP = 4


@dataclass(frozen=True, slots=True)
class OrderItem:
    """The tickets of one item of an order, and remarks about unusual ones."""

    tickets: tuple[Ticket, ...]
    remarks: frozenset[str]


def read_item(item: object) -> OrderItem:
    """Return the tickets of one item."""
    fields = as_object(item)
    entries = [entry for entry in as_list(fields.get("file")) if entry]
    alone = all(entry == entries[0] for entry in entries)
    files = [_file_ticket(fields, entry, alone=alone) for entry in entries]
    remarks = frozenset(file for file in files if isinstance(file, str))
    tickets = (*(file for file in files if isinstance(file, Ticket)), *link_tickets(fields))
    return OrderItem(without_duplicates(tickets), remarks)


def read_shipment(order: Mapping[str, Any]) -> Ticket | None:
    """Return the parcel with the paper tickets of the whole order, or `None` without a tracking id."""
    details = as_object(order.get("paper_ticket_details"))
    tracking = as_text(order.get("shipping_tracking_id")) or as_text(details.get("shipping_tracking_id"))
    if tracking is None:
        return None
    partner = as_text(order.get("delivery_partner_name")) or as_text(details.get("delivery_partner_name"))
    return Ticket(TicketKind.SHIPMENT, code=tracking, extra=extra_fields({"delivery_partner_name": partner}))


def file_value(entry: object) -> object:
    """Return the file's value: the entry itself, or a field of it."""
    file = as_object(entry)
    return next((file[name] for name in _FILE_FIELDS if file.get(name)), None) if file else entry


def link_tickets(item: Mapping[str, Any]) -> Iterator[Ticket]:
    """Yield a ticket for each mobile link that is a web address."""
    entries = as_list(item.get("mobile_links"))
    alone = all(entry == entries[0] for entry in entries)
    for entry in entries:
        fields = as_object(entry)
        url = as_web_url(fields.get("link") if fields else entry)
        if url:
            yield replace(_seated(TicketKind.LINK, item, fields, alone=alone), url=url)


def as_bool(value: object) -> bool | None:
    """Return a boolean, which Tixstock writes as a boolean, as 1 and 0, and as words."""
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get((as_text(value) or "").lower())


def decode_base64(value: object) -> bytes | None:
    """Return the content of a file, or `None` if the value is not base64.

    Accepted are both alphabets, blanks and line breaks anywhere, missing padding, percent-encoding and a `data:`
    header. A surplus character at the end comes from a truncated file, and is dropped.
    """
    written = (as_text(value) or "").strip("\"' \t\r\n")
    header = _DATA_HEADER.match(written)
    if header:
        written = written[header.end() :]
    if "%" in written:
        written = unquote(written)
    symbols = "".join(written.split()).rstrip("=").translate(_STANDARD)
    if len(symbols) % _GROUP == 1:
        symbols = symbols[:-1]
    try:
        return binascii.a2b_base64(symbols + "=" * (-len(symbols) % _GROUP), strict_mode=True) or None
    except ValueError:
        return None


def _file_ticket(item: Mapping[str, Any], entry: object, *, alone: bool) -> Ticket | str:
    """Return a ticket with the address or the content (in base64) of its file, or a remark on anything else."""
    value = file_value(entry)
    ticket = _seated(TicketKind.PDF, item, as_object(entry), alone=alone)
    url = as_web_url(value)
    if url:
        return replace(ticket, url=url)
    content = decode_base64(value)
    if content is None:
        return _UNKNOWN_FILE
    try:
        detect_file_type(BytesIO(content))
    except UnsupportedFileError as error:
        return f"a file in the answer is {error}, so it is not counted"
    return with_inline_file(ticket, content)


def _seated(kind: TicketKind, item: Mapping[str, Any], part: Mapping[str, Any], *, alone: bool) -> Ticket:
    """Return a ticket with its seat: the part's own if it names one, otherwise the item's.

    The item's seat applies only if it has one file or link.
    """
    section, row = (as_text(part.get(name)) or as_text(item.get(name)) for name in ("section", "row"))
    own, shared = as_text(part.get("seat")), as_text(item.get("seat"))
    seat = own if normalize_label(own) or not alone else shared or own
    extra = {
        "listing_id": as_text(item.get("listing_id")),
        "type": as_text(item.get("type")),
        "general_admission": as_bool(item.get("general_admission")),
        **{name: value for name, value in item.items() if name not in _READ},
    }
    holder = as_object(item.get("customer"))
    return Ticket(
        kind,
        section=section,
        row=row,
        seat=seat,
        holder=dict(holder) or None,
        extra=extra_fields(extra, LONGEST_SHARED),
    )
