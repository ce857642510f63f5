"""Fields of Funtrips' tickets, in the forms that they may have.

The guide names "tickets, barcodes/QRs, validity" without a schema, so plain and nested forms are read.
https://docs.funtrips.io ("Fetching Tickets (Fulfillment)")
"""

from collections.abc import Iterable, Mapping
from typing import Any

from willcall.orders.model import Money, TicketEvent
from willcall.providers.reading import as_object, as_text, as_web_url

#: Fields with the data of a person.
PERSONS = frozenset({"holder", "customer", "attendee", "consumer", "buyer", "participant"})


def read_code(fields: Mapping[str, Any], names: Iterable[str]) -> tuple[str | None, str | None]:
    """Return a ticket's code and its format: a text, an object with both, or the first of several codes.

    All of several codes stay in `extra.barcodes`: one entry is one ticket, however many codes it has.
    """
    values = [fields.get(name) for name in names]
    several = fields.get("barcodes")
    values += several if isinstance(several, list) else []
    stated = first_text(fields, "barcode_format", "code_format")
    for value in values:
        nested = as_object(value)
        code = first_text(nested, "value", "code", "data", "content") if nested else as_text(value)
        if code:
            return code, first_text(nested, "format", "type", "symbology") or stated
    return None, None


def read_validity(fields: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return from when and until when a ticket is valid."""
    nested = as_object(fields.get("validity"))
    begins = as_text(fields.get("valid_from")) or first_text(nested, "from", "start", "valid_from")
    return begins, as_text(fields.get("valid_until")) or first_text(nested, "to", "until", "end", "valid_until")


def file_url(fields: Mapping[str, Any]) -> str | None:
    """Return the address of the PDF, also if it is in an object beside the time at which it expires."""
    values = (fields.get(name) for name in ("pdf_url", "pdf"))
    return next((url for value in values if (url := as_web_url(as_object(value).get("url") or value))), None)


def read_event(fields: Mapping[str, Any]) -> TicketEvent | None:
    """Return the event of a ticket, if it has an object for it."""
    event = as_object(fields.get("event"))
    venue = as_object(event.get("venue")) or as_object(event.get("location"))
    found = TicketEvent(
        id=first_text(event, "id", "event_id"),
        title=first_text(event, "title", "name"),
        starts_at=first_text(event, "starts_at", "start", "start_date", "date"),
        ends_at=first_text(event, "ends_at", "end", "end_date"),
        venue=first_text(venue, "name", "title") or as_text(event.get("venue")),
        city=first_text(venue, "city") or as_text(event.get("city")),
        country=first_text(venue, "country") or as_text(event.get("country")),
    )
    return None if found == TicketEvent() else found


def read_money(value: object) -> Money | None:
    """Return an amount with its currency, or `None` without either."""
    fields = as_object(value)
    amount, currency = first_text(fields, "amount", "value"), as_text(fields.get("currency"))
    return Money(amount, currency) if amount and currency else None


def read_holder(fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the data of the person whose ticket it is."""
    return next((dict(person) for name in sorted(PERSONS) if (person := as_object(fields.get(name)))), None)


def first_text(fields: Mapping[str, Any], *names: str) -> str | None:
    """Return the first text that one of the fields has."""
    return next((text for name in names if (text := as_text(fields.get(name)))), None)
