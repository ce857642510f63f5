"""Pages of Funtrips' lists, and the single checkouts that have what lists leave out.

A list has an opaque cursor; the name of its field is not documented.
https://docs.funtrips.io/reference/adminlistuserfulfillmentorders
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from willcall.http.messages import Request
from willcall.orders.model import Ticket
from willcall.providers.funtrips.records import Record
from willcall.providers.reading import as_object, as_text

_CURSORS = ("next_cursor", "nextCursor", "cursor", "next_page_token")
_LONGEST_CURSOR = 2_048


def read_cursor(body: object) -> str | None:
    """Return the cursor of the page after this one, or `None` after the last."""
    if not isinstance(body, dict):
        return None
    places = (body, *(as_object(body.get(name)) for name in ("pagination", "meta", "page")))
    cursor = next((text for place in places for name in _CURSORS if (text := as_text(place.get(name)))), None)
    if cursor is None:
        links = as_object(body.get("links")) or as_object(body.get("_links"))
        following = as_object(links.get("next")).get("href") or links.get("next") or body.get("next")
        cursor = _cursor_in(as_text(following) or "")
    return cursor if cursor and len(cursor) <= _LONGEST_CURSOR and cursor.isprintable() else None


def next_page_request(request: Request, cursor: str) -> Request:
    """Return the request for the page at a cursor, with the filters of the first one."""
    return replace(request, params={**request.params, "cursor": cursor})


def checkouts_without_pdf(tickets: Iterable[Ticket]) -> list[str]:
    """Return the checkouts of tickets that have neither a PDF nor the address of one."""
    lacking = (ticket for ticket in tickets if not (ticket.url or ticket.document))
    names = (as_text(as_object(ticket.extra.get("fulfillment")).get("checkout_id")) for ticket in lacking)
    return list(dict.fromkeys(filter(None, names)))


def replace_checkouts(records: Iterable[Record], detailed: Mapping[str, list[Record]]) -> list[Record]:
    """Return the records of a list, those of some checkouts as they are in full."""
    kept = [record for record in records if record.checkout not in detailed]
    return kept + [
        Record({"checkout_id": checkout, **record.fields}, record.word, record.status)
        for checkout, found in detailed.items()
        for record in found
    ]


def _cursor_in(address: str) -> str | None:
    """Return the cursor in the query of an address."""
    try:
        query = parse_qs(urlsplit(address).query)
    except ValueError:
        return None
    return next((query[name][0] for name in ("cursor", *_CURSORS) if query.get(name)), None)
