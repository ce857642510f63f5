"""`willcall orders`."""

from datetime import UTC, datetime
from shlex import quote
from typing import Annotated

import typer

from willcall.cli.bootstrap import open_config, open_stores
from willcall.cli.output.console import print_json_line, print_note, stdout_console
from willcall.cli.output.orders_table import orders_table, overdue_table, overdue_to_json, row_to_json
from willcall.cli.output.styles import WIDE
from willcall.cli.parameters import parse_time
from willcall.config import Config
from willcall.orders.errors import UnknownAccountError
from willcall.orders.model import Status
from willcall.providers.registry import ADAPTERS
from willcall.stores.listing import ListingPage, OrderFilter
from willcall.stores.registry import Stores
from willcall.views.accounts import stopped_accounts
from willcall.views.overdue import OverdueKind, OverdueOrders, overdue_orders

#: Orders that `--all` reads at once.
LARGEST_PAGE = 500
DEFAULT_LIMIT = 50


def list_orders(
    *,
    status: Annotated[Status | None, typer.Option(help="Only orders with this status.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only orders at this provider.")] = None,
    account: Annotated[
        str | None,
        typer.Option(metavar="PROVIDER/ACCOUNT", help="Only orders of this account; with --provider, its name."),
    ] = None,
    client: Annotated[str | None, typer.Option(metavar="NAME", help="Only orders of this client.")] = None,
    attention: Annotated[bool, typer.Option("--attention", help="Only orders that need attention.")] = False,
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
    event_before: Annotated[
        datetime | None,
        typer.Option(parser=parse_time, metavar="TIME", help="Only orders whose event is before, the soonest first."),
    ] = None,
    event_after: Annotated[
        datetime | None,
        typer.Option(parser=parse_time, metavar="TIME", help="Only orders whose event is later, the soonest first."),
    ] = None,
    updated_since: Annotated[
        datetime | None,
        typer.Option(parser=parse_time, metavar="TIME", help="Only orders that changed since, the earliest first."),
    ] = None,
    group: Annotated[str | None, typer.Option(help="Only orders of this group.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only orders that are not final yet.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Orders per page.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, typer.Option(help="Start where the previous page ended.")] = None,
    all_pages: Annotated[bool, typer.Option("--all", help="Print all pages.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per order.")] = False,
) -> None:
    """List orders, newest first, or by event or by change.

    With --overdue, --undelivered or --documents, the longest overdue come first.
    """
    _check_provider(provider)
    kinds = {OverdueKind.OVERDUE: overdue, OverdueKind.UNDELIVERED: undelivered, OverdueKind.DOCUMENTS: documents}
    chosen = [kind for kind, given in kinds.items() if given]
    dated = {"event_before": event_before, "event_after": event_after, "updated_since": updated_since}
    moments = {name: None if moment is None else moment.timestamp() for name, moment in dated.items()}
    others = (status, client, attention, cursor, all_pages, group, open_only, *moments.values())
    if chosen and (len(chosen) > 1 or any(value not in {None, False} for value in others)):
        raise typer.BadParameter("can only be combined with --limit and --json", param_hint=f"--{chosen[0]}")
    if chosen and not overdue and (provider or account):
        raise typer.BadParameter("lists the orders of all accounts", param_hint=f"--{chosen[0]}")
    config = open_config()
    stores = open_stores(config)
    query = OrderFilter(
        status,
        provider,
        frozenset() if attention else None,
        _account_key(config, stores, provider, account),
        _client(config, stores, client),
        open_only,
        group=group,
        **moments,
    )
    if chosen:
        found = overdue_orders(stores, chosen[0], limit, config.settings.sweeps.grace, query)
        _print_overdue(found, stores.accounts.now(), limit, as_json=as_json)
        return
    page = _read_page(stores, query, LARGEST_PAGE if all_pages else limit, cursor)
    if not page.orders:
        print_note("There are no orders yet." if query == OrderFilter() else "No orders match.")
    _print_page(config, stores, page, as_json=as_json)
    while all_pages and page.next_cursor:
        page = _read_page(stores, query, LARGEST_PAGE, page.next_cursor)
        _print_page(config, stores, page, as_json=as_json)
    _print_notes(query, page, limit, as_json=as_json)


def _print_notes(query: OrderFilter, page: ListingPage, limit: int, *, as_json: bool) -> None:
    """Say what was not printed, and how to see it."""
    if page.orders and not as_json and stdout_console().width < WIDE:
        print_note(f"A terminal of {WIDE} columns shows polls, submitted and reference too.")
    if page.next_cursor:
        print_note(f"Next page: willcall orders {_options(query, limit)}--cursor {page.next_cursor}")


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


def _check_provider(provider: str | None) -> None:
    if provider is not None and provider not in ADAPTERS:
        raise typer.BadParameter(f"must be one of {', '.join(sorted(ADAPTERS))}", param_hint="--provider")


def _account_key(config: Config, stores: Stores, provider: str | None, name: str | None) -> str | None:
    """Return the key of an account that is configured or has orders."""
    if name is None:
        return None
    if "/" not in name and provider is None:
        raise typer.BadParameter("must be PROVIDER/ACCOUNT, or --provider must be given", param_hint="--account")
    key = name if "/" in name else f"{provider}/{name}"
    known = sorted({*config.accounts, *stores.orders.accounts()})
    if key not in known:
        raise UnknownAccountError(key, known)
    return key


def _client(config: Config, stores: Stores, name: str | None) -> str | None:
    """Return the name of a client that is configured or has orders."""
    known = sorted({*config.settings.api.clients, *stores.orders.clients()}) if name else []
    if name and name not in known:
        raise typer.BadParameter(
            f"must be one of {', '.join(known)}" if known else "no client is configured", param_hint="--client"
        )
    return name


def _read_page(stores: Stores, query: OrderFilter, limit: int, cursor: str | None) -> ListingPage:
    try:
        return stores.listing.page(query, limit, cursor)
    except ValueError:
        raise typer.BadParameter("is not a cursor of this list", param_hint="--cursor") from None


def _options(query: OrderFilter, limit: int) -> str:
    """Return the options with which the query is repeated."""
    given = {
        "--status": query.status,
        "--provider": query.provider,
        "--account": query.account,
        "--client": query.client,
        "--event-before": _time(query.event_before),
        "--event-after": _time(query.event_after),
        "--updated-since": _time(query.updated_since),
        "--group": query.group and quote(query.group),
        "--limit": None if limit == DEFAULT_LIMIT else limit,
    }
    words = [f"{option} {value} " for option, value in given.items() if value is not None]
    flags = ["--attention "] * (query.attention is not None) + ["--open "] * query.open_only
    return "".join([*words, *flags])


def _time(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()
