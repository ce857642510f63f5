"""Commands about orders: submit, look, ask now, cancel."""
# ruff: noqa: PLC0415 - a command imports what it needs when it runs; `--help` needs none of it

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from willcall.cli.bootstrap import note_missing_accounts, open_config, open_context, open_stores
from willcall.cli.output.console import print_json, print_json_line, print_note, stdout_console
from willcall.orders.errors import UnknownOrderError
from willcall.orders.model import DeliverySpeed, Order, Status
from willcall.orders.serialization import order_to_json
from willcall.views.formatting import describe_expedited_poll, describe_first_poll

if TYPE_CHECKING:
    from willcall.cli.output.order_details import OrderDetails
    from willcall.config import Config
    from willcall.stores.listing import OrderPage, OrderQuery
    from willcall.stores.registry import Stores
    from willcall.views.overdue import OverdueOrders

OrderIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The order's id.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]

#: Orders read at once when all pages are walked.
LARGEST_PAGE = 500


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("must be a time in ISO 8601, such as 2026-11-22T10:00:00Z") from None
    if moment.tzinfo is None:
        raise typer.BadParameter("needs a time zone: end it with Z for UTC, or with an offset such as +01:00")
    return moment


def _metadata(pairs: list[str]) -> dict[str, str]:
    metadata = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not name or not separator:
            raise typer.BadParameter("must be name=value", param_hint="--meta")
        metadata[name] = value
    return metadata


def submit(
    *,
    provider: Annotated[str, typer.Option(help="Where the order was bought.")],
    reference: Annotated[str, typer.Option(help="What the provider knows the order by.")],
    order_id: Annotated[str | None, typer.Option("--id", metavar="ID", help="Your own key; made if absent.")] = None,
    account: Annotated[str | None, typer.Option(help="The account at the provider.  [default: default]")] = None,
    quantity: Annotated[int | None, typer.Option(help="How many tickets were bought.")] = None,
    not_before: Annotated[
        datetime | None,
        typer.Option(parser=_moment, metavar="TIME", help="Do not ask sooner (ISO 8601 with a time zone)."),
    ] = None,
    bought_at: Annotated[
        datetime | None,
        typer.Option(parser=_moment, metavar="TIME", help="When it was bought.  [default: a day ago]"),
    ] = None,
    delivery: Annotated[DeliverySpeed | None, typer.Option(help="delayed: known to take long.")] = None,
    callback_url: Annotated[str | None, typer.Option(metavar="URL", help="Where to tell of changes.")] = None,
    language: Annotated[str | None, typer.Option(help="Language of the tickets, such as en.")] = None,
    meta: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Kept with the order; repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Submit one order. Submitting the same again changes nothing."""
    from willcall.config import find_account
    from willcall.usecases.orders import get_order
    from willcall.usecases.submit import submit as submit_order

    wish: dict[str, Any] = {
        "provider": provider,
        "reference": reference,
        "id": order_id,
        "account": account,
        "quantity": quantity,
        "not_before": not_before,
        "bought_at": bought_at,
        "delivery": delivery,
        "callback_url": callback_url,
        "language": language,
        "metadata": _metadata(meta) if meta else None,
    }
    context = open_context()
    note_missing_accounts(context.accounts)
    accepted = submit_order(context, {name: value for name, value in wish.items() if value is not None})
    order = get_order(context, accepted.order_id)
    if as_json:
        print_json(order_to_json(order))
    elif accepted.new:
        rate = find_account(context.accounts, order.provider, order.account).rate
        state = context.stores.accounts.state(order.account_key, rate)
        typer.echo(f"Order {order.id} accepted; {describe_first_poll(order, state)}.")
        print_note(f"Follow it with: willcall order {order.id} --watch")
    else:
        typer.echo(f"Order {order.id} was submitted before with the same content; it is {order.status}.")


def order(
    order_id: OrderIdArgument,
    *,
    as_json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Keep looking until the order is final.")] = False,
) -> None:
    """Show one order, its tickets and its timeline."""
    config = open_config()
    stores = open_stores(config)

    def look() -> "OrderDetails":
        return _snapshot(config, stores, order_id)

    if watch:
        from willcall.cli.watch import watch_lines, watch_view

        (watch_lines if as_json else watch_view)(look)
    elif as_json:
        print_json(order_to_json(_order(stores, order_id)))
    else:
        from willcall.cli.output.order_details import order_details

        console = stdout_console()
        console.print(order_details(look(), console.width))


def _order(stores: "Stores", order_id: str) -> Order:
    found = stores.orders.get(order_id)
    if found is None:
        raise UnknownOrderError(order_id)
    return found


def _snapshot(config: "Config", stores: "Stores", order_id: str) -> "OrderDetails":
    from willcall.cli.output.order_details import OrderDetails

    found = _order(stores, order_id)
    account = config.accounts.get(found.account_key)
    state = stores.accounts.state(account.key, account.rate) if account else None
    return OrderDetails(
        order=found,
        attempts=stores.orders.timeline(order_id),
        account=state,
        now=stores.accounts.now(),
        delivery=stores.deliveries.get(order_id),
        tries=stores.deliveries.attempts(order_id),
        held=stores.orders.is_held(found.account_key, order_id),
        fetching=stores.fetches.progress([order_id])[0],
        beat=bool(stores.processes.running("beat")),
    )


def list_orders(
    *,
    status: Annotated[Status | None, typer.Option(help="Only orders of this status.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only orders at this provider.")] = None,
    account: Annotated[
        str | None,
        typer.Option(metavar="PROVIDER/ACCOUNT", help="Only orders of this account; with --provider, its name."),
    ] = None,
    attention: Annotated[bool, typer.Option("--attention", help="Only orders that a person should look at.")] = False,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only orders that should have been asked about by now; the latest first.")
    ] = False,
    untold: Annotated[
        bool, typer.Option("--untold", help="Only orders whose backends are still to be told; oldest first.")
    ] = False,
    documents: Annotated[
        bool,
        typer.Option(
            "--documents", help="Only orders that lack documents: still fetched (oldest first), then given up."
        ),
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Orders a page.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All pages, one after the other.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per order.")] = False,
) -> None:
    """List orders, newest first; those of which something is behind, the worst first."""
    from willcall.stores.listing import OrderQuery
    from willcall.views.overdue import OverdueKind, overdue_orders

    _check_provider(provider)
    wanted = {OverdueKind.OVERDUE: overdue, OverdueKind.UNTOLD: untold, OverdueKind.DOCUMENTS: documents}
    behind = [each for each in OverdueKind if wanted[each]]
    if behind and (status or attention or cursor or everything or len(behind) > 1):
        raise typer.BadParameter("goes with --limit and --json alone", param_hint=f"--{behind[0]}")
    if behind and behind[0] is not OverdueKind.OVERDUE and (provider or account):
        raise typer.BadParameter("lists the orders of all accounts", param_hint=f"--{behind[0]}")
    config = open_config()
    stores = open_stores(config)
    query = OrderQuery(
        status, provider, frozenset() if attention else None, _account_key(config, stores, provider, account)
    )
    if behind:
        found = overdue_orders(stores, behind[0], limit, config.settings.sweeps.grace, query)
        _print_behind(found, stores.accounts.now(), limit, as_json=as_json)
        return
    page = _page(stores, query, LARGEST_PAGE if everything else limit, cursor)
    if not page.orders:
        print_note("There are no orders yet." if query == OrderQuery() else "There are no such orders.")
    _print_page(config, stores, page, as_json=as_json)
    while everything and page.next_cursor:
        page = _page(stores, query, LARGEST_PAGE, page.next_cursor)
        _print_page(config, stores, page, as_json=as_json)
    _note_the_rest(query, page, limit, as_json=as_json)


def _print_page(config: "Config", stores: "Stores", page: "OrderPage", *, as_json: bool) -> None:
    from willcall.cli.output.orders_table import orders_table
    from willcall.views.accounts import stopped_accounts

    if as_json:
        for one in page.orders:
            print_json_line(order_to_json(one))
    elif page.orders:
        console = stdout_console()
        stopped = stopped_accounts(stores, config.accounts, {one.account_key for one in page.orders})
        console.print(orders_table(page.orders, stopped, stores.accounts.now(), console.width))


def _note_the_rest(query: "OrderQuery", page: "OrderPage", limit: int, *, as_json: bool) -> None:
    """What was not printed, and how to see it."""
    from willcall.cli.output.styles import WIDE

    if page.orders and not as_json and stdout_console().width < WIDE:
        print_note(f"A terminal of {WIDE} columns shows polls, submitted and reference too.")
    if page.next_cursor:
        print_note(f"Next page: willcall orders {_options(query, limit)}--cursor {page.next_cursor}")


def _print_behind(found: "OverdueOrders", now: float, limit: int, *, as_json: bool) -> None:
    """The orders of which something has been behind for longest; the rest is counted."""
    from willcall.cli.output.orders_table import overdue_table

    if as_json:
        for one in found.orders:
            print_json_line(order_to_json(one.order))
    elif found.orders:
        stdout_console().print(overdue_table(found.orders, now))
    else:
        print_note("There are no such orders.")
    if found.count > len(found.orders) >= limit:
        print_note(f"These are the {limit:,} worst of {found.count:,}; --limit shows more.")


def _check_provider(provider: str | None) -> None:
    from willcall.providers.registry import ADAPTERS

    if provider is not None and provider not in ADAPTERS:
        raise typer.BadParameter(f"there is {', '.join(sorted(ADAPTERS))}", param_hint="--provider")


def _account_key(config: "Config", stores: "Stores", provider: str | None, name: str | None) -> str | None:
    """The key of an account that is configured, or has orders all the same."""
    from willcall.orders.errors import UnknownAccountError

    if name is None:
        return None
    if "/" not in name and provider is None:
        raise typer.BadParameter("must be PROVIDER/ACCOUNT, or --provider must be given", param_hint="--account")
    key = name if "/" in name else f"{provider}/{name}"
    known = sorted({*config.accounts, *stores.orders.accounts()})
    if key not in known:
        raise UnknownAccountError(key, known)
    return key


def _page(stores: "Stores", query: "OrderQuery", limit: int, cursor: str | None) -> "OrderPage":
    try:
        return stores.listing.page(query, limit, cursor)
    except ValueError:
        raise typer.BadParameter("is not a cursor of this list", param_hint="--cursor") from None


def _options(query: "OrderQuery", limit: int) -> str:
    given = {
        "--status": query.status,
        "--provider": query.provider,
        "--account": query.account,
        "--limit": None if limit == 50 else limit,  # noqa: PLR2004 - the default
    }
    words = [f"{option} {value} " for option, value in given.items() if value is not None]
    return "".join([*words, "--attention " if query.attention is not None else ""])


def poll(
    order_id: OrderIdArgument,
    *,
    immediately: Annotated[
        bool, typer.Option("--now", help="Ask even before the provider's Retry-After has passed.")
    ] = False,
) -> None:
    """Ask about an order as soon as the provider's hints, the minimum and the rate allow, and say when that is."""
    from willcall.usecases.orders import get_order, request_poll

    context = open_context()
    if immediately:
        print_note("Warning: --now ignores the provider's Retry-After; the provider may answer with a longer one.")
    expedited = request_poll(context, order_id, override=immediately)
    order, now = get_order(context, order_id), context.stores.accounts.now()
    typer.echo(f"Order {order_id} {describe_expedited_poll(expedited, order.account_key, now)}.")


def cancel(order_id: OrderIdArgument) -> None:
    """Stop asking about an order; it becomes cancelled."""
    from willcall.usecases.orders import cancel_order

    cancelled = cancel_order(open_context(), order_id)
    typer.echo(f"Order {order_id} is cancelled." if cancelled else f"Order {order_id} was cancelled already.")
