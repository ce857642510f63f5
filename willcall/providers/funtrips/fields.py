"""Read the fields of Funtrips' records and tickets, in every likely form.

Each function takes what it reads out of `rest`, a copy of the fields, so that the remainder is what is left to store as
it is. No page shows the body of a 200 in full; the guide names "tickets, barcodes/QRs, validity".

https://docs.funtrips.io
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from willcall.orders.model import Money, TicketEvent
from willcall.orders.serialization import rfc3339
from willcall.orders.ticket_identity import normalize_code
from willcall.orders.urls import without_query
from willcall.providers.dates import moment
from willcall.providers.reading import as_int, as_list, as_object, as_text, as_web_url

Rest = dict[str, Any]

CODE_FIELDS = ("barcode", "code", "qr_code", "barcodes", "codes", "qr_codes")
_CODE_VALUES = ("value", "code", "data", "content", "text")
_FORMATS = ("barcode_format", "code_format", "barcode_type", "format", "symbology")
_QR_FIELDS = {"qr_code", "qr_codes"}
PDF_FIELDS = ("pdf_url", "pdf", "ticket_pdf_url", "tickets_pdf_url")
_ADDRESSES = ("url", "href", "download_url")
#: When the address of a PDF expires. The file is fetched at once, and the date changes with each response.
_EXPIRY = {"expires_at", "expires", "expires_in", "expiry"}
_COUNTS = ("quantity", "ticket_count", "tickets_count", "number_of_tickets", "total_tickets")
#: Most codes of one ticket.
_MOST_CODES = 100
_AMOUNT, _CURRENCY = re.compile(r"-?[0-9]{1,12}\.[0-9]{1,6}"), re.compile(r"[A-Za-z]{3}")
#: How deeply personal data are looked for; `extra` has no deeper fields.
_DEEPEST = 20

#: Names of personal data, in lower case without `_` and `-`: of a person whatever it has, or of one datum.
_PEOPLE = {
    *("customer", "customers", "holder", "holders", "ticketholder", "attendee", "attendees", "guest", "guests"),
    *("visitor", "visitors", "buyer", "purchaser", "person", "persons", "participant", "participants", "traveler"),
    *("travelers", "traveller", "travellers", "passenger", "passengers", "recipient", "contact", "user"),
}
_PERSONAL = {
    *("firstname", "lastname", "fullname", "givenname", "familyname", "surname", "middlename", "holdername"),
    *("customername", "attendeename", "guestname", "visitorname", "buyername", "contactname", "ticketholdername"),
    *("email", "emailaddress", "customeremail", "holderemail", "attendeeemail", "contactemail", "guestemail"),
    *("phone", "phonenumber", "mobile", "mobilenumber", "telephone", "customerphone", "holderphone", "contactphone"),
    *("birthdate", "birthday", "dateofbirth", "dob", "passportnumber", "nationalid"),
}


@dataclass(frozen=True, slots=True)
class Code:
    """A barcode, and its format as the provider names it."""

    value: str
    format: str | None


def take_text(rest: Rest, *names: str) -> str | None:
    """Return the first text under one of the names."""
    for name in names:
        text = as_text(rest.get(name))
        if text:
            del rest[name]
            return text
    return None


def take_codes(rest: Rest) -> list[Code]:
    """Return the distinct codes of a ticket: a text, an object with its `value` and `format`, or a list of those."""
    for name in CODE_FIELDS:
        entries = as_list(rest.get(name))
        read = [_code(entry) for entry in entries[:_MOST_CODES]]
        found = {normalize_code(code.value): code for code in reversed(read) if code}
        if not found:
            continue
        codes = [found[key] for key in dict.fromkeys(normalize_code(code.value) for code in read if code)]
        if len(entries) <= len(read) and all(_is_read(entry) for entry in entries):
            del rest[name]
        for other in CODE_FIELDS:
            if normalize_code(as_text(rest.get(other)) or "") in found:
                del rest[other]
        stated = take_text(rest, *_FORMATS) or ("QR" if name in _QR_FIELDS else None)
        return [Code(code.value, code.format or stated) for code in codes]
    return []


def take_pdf(rest: Rest) -> str | None:
    """Return the address of a PDF: a text, or an object with its `url`."""
    for name in PDF_FIELDS:
        url = _address(rest.get(name))
        if url:
            for each in PDF_FIELDS:
                if without_query(_address(rest.get(each))) == without_query(url):
                    _drop(rest, each, {*_ADDRESSES, *_EXPIRY})
            return url
    return None


def take_validity(rest: Rest) -> tuple[str | None, str | None]:
    """Return from when and until when a ticket is valid, unchanged."""
    begin, end = take_text(rest, "valid_from"), take_text(rest, "valid_until", "valid_to")
    inner = dict(as_object(rest.get("validity")))
    begin = begin or take_text(inner, "from", "start", "valid_from", "starts_at")
    end = end or take_text(inner, "to", "until", "end", "valid_until", "valid_to", "ends_at")
    _replace(rest, "validity", inner)
    return begin, end


def take_seat(rest: Rest) -> dict[str, str | None]:
    """Return section, row, seat, seat label and entrance, as the fields of a ticket."""
    seat = {name: take_text(rest, name) for name in ("section", "row", "seat", "seat_label")}
    for name in ("seat", "seating"):
        inner = dict(as_object(rest.get(name)))
        seat = {
            "section": seat["section"] or take_text(inner, "section", "block"),
            "row": seat["row"] or take_text(inner, "row"),
            "seat": seat["seat"] or take_text(inner, "seat", "number", "seat_number"),
            "seat_label": seat["seat_label"] or take_text(inner, "label", "seat_label"),
        }
        _replace(rest, name, inner)
    return {**seat, "entrance": take_text(rest, "entrance", "gate")}


def take_event(rest: Rest) -> TicketEvent | None:
    """Return what a ticket is for. A time without a zone is no moment, so it is left in `rest`."""
    inner = dict(as_object(rest.get("event")))
    venue = dict(as_object(inner.get("venue")))
    event = TicketEvent(
        id=take_text(inner, "id", "event_id") or take_text(rest, "event_id"),
        title=take_text(inner, "title", "name") or take_text(rest, "event_title", "event_name"),
        starts_at=_take_time(inner, "starts_at", "start", "start_date", "start_time"),
        ends_at=_take_time(inner, "ends_at", "end", "end_date", "end_time"),
        venue=take_text(inner, "venue", "venue_name") or take_text(venue, "name", "title"),
        city=take_text(inner, "city") or take_text(venue, "city"),
        country=take_text(inner, "country") or take_text(venue, "country", "country_code"),
    )
    _replace(inner, "venue", venue)
    _replace(rest, "event", inner)
    return None if event == TicketEvent() else event


def take_title(rest: Rest) -> str | None:
    """Return what was bought."""
    title = take_text(rest, "title", "product_title", "product_name")
    inner = dict(as_object(rest.get("product")))
    title = title or take_text(inner, "title", "name")
    _replace(rest, "product", inner)
    return title


def take_money(rest: Rest, name: str) -> Money | None:
    """Return an amount with its currency, beside it or in one object.

    A whole number may be one of cents, so it is not read.
    """
    inner = dict(as_object(rest.get(name)))
    amount = as_text(inner.get("amount")) or as_text(inner.get("value")) or as_text(rest.get(name))
    currency = as_text(inner.get("currency")) or as_text(rest.get("currency"))
    money = _money(amount, currency)
    if money:
        _drop(rest, name, {"amount", "value", "currency"})
    return money


def take_personal(rest: Rest) -> dict[str, Any]:
    """Return the personal data in the fields, by name; those in inner objects by their path, such as `order.email`."""
    found: dict[str, Any] = {}
    for name, value in list(rest.items()):
        if _is_personal(name, value):
            found[name] = value
            del rest[name]
        else:
            rest[name] = _without_personal(value, name, found, 0)
    return found


def stated_count(fields: Mapping[str, Any]) -> int | None:
    """Return how many tickets a record says that it has."""
    counts = (as_int(fields.get(name)) for name in _COUNTS)
    return next((count for count in counts if count and count > 0), None)


def is_withheld(fields: Mapping[str, Any]) -> bool:
    """Return whether the provider says that something cannot be delivered yet."""
    value = fields.get("deliverable")
    return value is False or (isinstance(value, str) and value.strip().lower() == "false")


def _code(entry: object) -> Code | None:
    inner = as_object(entry)
    value = as_text(entry) or next((text for name in _CODE_VALUES if (text := as_text(inner.get(name)))), None)
    if value is None or not normalize_code(value):
        return None
    return Code(value, next((text for name in ("type", *_FORMATS) if (text := as_text(inner.get(name)))), None))


def _is_read(entry: object) -> bool:
    """Return whether a code's entry has nothing beyond the code and its format."""
    return _code(entry) is not None and len(as_object(entry)) <= len({"value", "format"})


def _address(value: object) -> str | None:
    """Return the web address of a text or an object, also one in a list of its own."""
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    inner = as_object(value)
    urls = (as_web_url(value), *(as_web_url(inner.get(name)) for name in _ADDRESSES))
    return next((url for url in urls if url), None)


def _take_time(rest: Rest, *names: str) -> str | None:
    for name in names:
        written = as_text(rest.get(name)) or ""
        at = moment(written)
        if at is not None and _has_zone(written):
            del rest[name]
            return rfc3339(at)
    return None


def _has_zone(written: str) -> bool:
    time = written.upper().partition("T")[2] or written.partition(" ")[2]
    return time.endswith("Z") or "+" in time or "-" in time


def _money(amount: str | None, currency: str | None) -> Money | None:
    if amount is None or not _AMOUNT.fullmatch(amount) or currency is None or not _CURRENCY.fullmatch(currency):
        return None
    decimals = max(2, len(amount.partition(".")[2]))
    return Money(f"{Decimal(amount):.{decimals}f}", currency.upper())


def _drop(rest: Rest, name: str, read: set[str]) -> None:
    """Remove a field, but for the members of its object that are not read."""
    inner = as_object(rest.get(name))
    _replace(rest, name, {each: value for each, value in inner.items() if each not in read})
    if name in rest and not inner:
        del rest[name]


def _replace(rest: Rest, name: str, inner: Mapping[str, Any]) -> None:
    """Put what was not read of an object in its place. Anything but an object stays as it is."""
    if not as_object(rest.get(name)):
        return
    if inner:
        rest[name] = dict(inner)
    else:
        del rest[name]


def _is_personal(name: str, value: object) -> bool:
    plain = name.lower().replace("_", "").replace("-", "")
    return value is not None and (plain in _PERSONAL or (plain in _PEOPLE and isinstance(value, dict | list)))


def _without_personal(value: object, path: str, found: Rest, depth: int) -> object:
    """Return a value without the personal data in it, which are added to `found` by their paths."""
    if depth > _DEEPEST:
        return value
    if isinstance(value, list):
        kept = [_without_personal(each, f"{path}.{index}", found, depth + 1) for index, each in enumerate(value)]
        return value if all(one is two for one, two in zip(kept, value, strict=True)) else kept
    if not isinstance(value, dict):
        return value
    inner: Rest = {}
    for name, each in value.items():
        if _is_personal(name, each):
            found[f"{path}.{name}"] = each
        else:
            inner[name] = _without_personal(each, f"{path}.{name}", found, depth + 1)
    unchanged = len(inner) == len(value) and all(inner[name] is each for name, each in value.items())
    return value if unchanged else inner
