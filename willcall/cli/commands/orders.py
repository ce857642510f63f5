"""`willcall orders`."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from willcall.cli.bootstrap import open_config, open_stores
from willcall.cli.order_filters import OrderOptions, options_of, with_order_options
from willcall.cli.output.console import print_json_line, print_note, stdout_console
from willcall.cli.output.orders_table import orders_table, overdue_table, overdue_to_json, row_to_json
from willcall.cli.output.styles import WIDE
from willcall.config import Config
from willcall.stores.listing import ListingPage, OrderFilter
from willcall.stores.registry import Stores
from willcall.views.accounts import stopped_accounts
from willcall.views.order_columns import DEFAULT_COLUMNS, parse_columns
from willcall.views.order_export import ExportFormat, export, pages_of
from willcall.views.overdue import OverdueKind, OverdueOrders, overdue_orders

#: Orders that `--all` reads at once.
LARGEST_PAGE = 500
DEFAULT_LIMIT = 50


@with_order_options
def list_orders(
    *,
    options: OrderOptions,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only orders whose next poll is overdue, the longest overdue first.")
    ] = False,
    undelivered: Annotated[
        bool, typer.Option("--undelivered", help="Only orders whose callback is not delivered yet, oldest first.")
    ] = False,
    documents: Annotated[
        bool,
        typer.Option(
            "--documents", help="Only orders without all documents: first those still fetched, then those given up."
        ),
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Orders per page.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, typer.Option(help="Start where the previous page ended.")] = None,
    all_pages: Annotated[bool, typer.Option("--all", help="Print all pages.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per order.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print all pages as CSV.")] = False,
    columns: Annotated[
        str | None, typer.Option(metavar="NAMES", help="With --csv: its columns, separated by commas.")
    ] = None,
) -> None:
    """List orders, newest first, or by event or by change.

    With --overdue, --undelivered or --documents, the longest overdue come first.
    """
    kinds = {OverdueKind.OVERDUE: overdue, OverdueKind.UNDELIVERED: undelivered, OverdueKind.DOCUMENTS: documents}
    chosen = [kind for kind, wanted in kinds.items() if wanted]
    filtered = replace(options, provider=None, account=None) != OrderOptions()
    if chosen and (len(chosen) > 1 or filtered or all_pages or as_csv or cursor is not None or columns is not None):
        raise typer.BadParameter("can only be combined with --limit and --json", param_hint=f"--{chosen[0]}")
    if chosen and not overdue and (options.provider or options.account):
        raise typer.BadParameter("lists the orders of all accounts", param_hint=f"--{chosen[0]}")
    names = _columns(columns, as_csv=as_csv, paged=as_json or cursor is not None)
    config = open_config()
    stores = open_stores(config)
    query = options.filter(config, stores)
    if chosen:
        found = overdue_orders(stores, chosen[0], limit, config.settings.sweeps.grace, query)
        _print_overdue(found, stores.accounts.now(), limit, as_json=as_json)
        return
    if as_csv:
        for part in export(pages_of(stores.listing, query), names, ExportFormat.CSV):
            sys.stdout.write(part)
        return
    page = _read_page(stores, query, LARGEST_PAGE if all_pages else limit, cursor)
    if not page.orders:
        print_note("There are no orders yet." if query == OrderFilter() else "No orders match.")
    _print_page(config, stores, page, as_json=as_json)
    while all_pages and page.next_cursor:
        page = _read_page(stores, query, LARGEST_PAGE, page.next_cursor)
        _print_page(config, stores, page, as_json=as_json)
    _print_notes(query, page, limit, as_json=as_json)


def _columns(columns: str | None, *, as_csv: bool, paged: bool) -> Sequence[str]:
    """Return the columns of the export. Raises typer.BadParameter."""
    if columns is not None and not as_csv:
        raise typer.BadParameter("is for --csv", param_hint="--columns")
    if as_csv and paged:
        raise typer.BadParameter("cannot be combined with --json or --cursor", param_hint="--csv")
    try:
        return DEFAULT_COLUMNS if columns is None else parse_columns(columns)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--columns") from None


def _print_notes(query: OrderFilter, page: ListingPage, limit: int, *, as_json: bool) -> None:
    """Say what was not printed, and how to see it."""
    if page.orders and not as_json and stdout_console().width < WIDE:
        print_note(f"A terminal of {WIDE} columns shows polls, submitted and reference too.")
    if page.next_cursor:
        print_note(f"Next page: willcall orders {options_of(query)}{_limit_option(limit)}--cursor {page.next_cursor}")


def _print_page(config: Config, stores: Stores, page: ListingPage, *, as_json: bool) -> None:
    if as_json:
        for order in page.orders:
            print_json_line(row_to_json(order))
    elif page.orders:
        console = stdout_console()
        stopped = stopped_accounts(stores, config.accounts, {order.account_key for order in page.orders})
        console.print(orders_table(page.orders, stopped, stores.accounts.now(), console.width))


def _print_overdue(found: OverdueOrders, now: float, limit: int, *, as_json: bool) -> None:
    if as_json:
        for overdue in found.orders:
            print_json_line(overdue_to_json(overdue))
    elif found.orders:
        stdout_console().print(overdue_table(found.orders, now))
    else:
        print_note("No orders match.")
    if found.count > len(found.orders) >= limit:
        print_note(f"Showing the worst {limit:,} of {found.count:,}; --limit shows more.")


def _read_page(stores: Stores, query: OrderFilter, limit: int, cursor: str | None) -> ListingPage:
    """Return the next page with orders, or the last one. Pages of a search may be empty."""
    try:
        page = stores.listing.page(query, limit, cursor)
        while not page.orders and page.next_cursor:
            page = stores.listing.page(query, limit, page.next_cursor)
    except ValueError:
        raise typer.BadParameter("is not a cursor of this list", param_hint="--cursor") from None
    return page


def _limit_option(limit: int) -> str:
    return "" if limit == DEFAULT_LIMIT else f"--limit {limit} "
