"""Whole lists of orders as CSV or JSON Lines, written while they are read."""

import csv
import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from io import StringIO
from itertools import chain

from willcall.orders.model import Order
from willcall.stores.listing import OrderFilter, OrderListing
from willcall.views.order_columns import Cell, row

#: Orders per read.
_PAGE = 200
#: A spreadsheet takes a cell that begins with one of these, perhaps after spaces, as a formula.
_FORMULA = frozenset(
    "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)


class ExportFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


#: The media types of exports.
MEDIA_TYPES = {ExportFormat.CSV: "text/csv", ExportFormat.JSONL: "application/jsonl"}


def pages_of(listing: OrderListing, query: OrderFilter) -> Iterator[Sequence[Order]]:
    """Return the pages of a list. The first has been read when this returns, the others are read as they are needed."""
    first = listing.page(query, _PAGE)
    return chain([first.orders], _pages_after(listing, query, first.next_cursor))


def export(pages: Iterator[Sequence[Order]], columns: Sequence[str], written: ExportFormat) -> Iterator[str]:
    """Yield the text of an export, a page at a time."""
    if written is ExportFormat.JSONL:
        for page in pages:
            yield "".join(json.dumps(row(order, columns), ensure_ascii=False) + "\n" for order in page)
        return
    yield _csv([columns])
    for page in pages:
        yield _csv([[_csv_cell(value) for value in row(order, columns).values()] for order in page])


def _pages_after(listing: OrderListing, query: OrderFilter, cursor: str | None) -> Iterator[Sequence[Order]]:
    while cursor is not None:
        page = listing.page(query, _PAGE, cursor)
        yield page.orders
        cursor = page.next_cursor


def _csv(rows: Sequence[Sequence[str]]) -> str:
    written = StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()


def _csv_cell(value: Cell) -> str:
    """Return a cell that no spreadsheet takes as a formula: one that could be begins with an apostrophe.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "" if value is None else str(value)
    begins_with_control = text[:1] != "" and not text[0].isprintable()
    return f"'{text}" if begins_with_control or text.lstrip()[:1] in _FORMULA else text
