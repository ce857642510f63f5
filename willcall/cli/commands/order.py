"""`willcall order`: one order, once or as it changes."""

import time
from collections.abc import Callable, Iterator
from typing import Annotated

import typer
from rich.live import Live

from willcall.cli.bootstrap import open_config, open_stores
from willcall.cli.output.console import print_json, print_json_line, stdout_console
from willcall.cli.output.order_details import OrderDetails, order_details
from willcall.cli.parameters import OrderIdArgument
from willcall.config import Config
from willcall.orders.errors import UnknownOrderError
from willcall.orders.model import FINAL, Order
from willcall.orders.serialization import order_to_json
from willcall.stores.registry import Stores

#: Seconds between two reads while an order is watched.
WATCH_INTERVAL = 0.5
#: Attempts that `--watch` shows: more would push the order's state off a small screen.
WATCHED_ATTEMPTS = 10

ReadDetails = Callable[[], OrderDetails]


def order(
    order_id: OrderIdArgument,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Update until the order is final.")] = False,
) -> None:
    """Show one order, its tickets and its attempts."""
    config = open_config()
    stores = open_stores(config)

    def read() -> OrderDetails:
        return _read_details(config, stores, order_id)

    if watch and as_json:
        _watch_as_json(read)
    elif watch:
        _watch(read)
    elif as_json:
        print_json(order_to_json(_read_order(stores, order_id)))
    else:
        console = stdout_console()
        console.print(order_details(read(), console.width))


def _read_order(stores: Stores, order_id: str) -> Order:
    found = stores.orders.get(order_id)
    if found is None:
        raise UnknownOrderError(order_id)
    return found


def _read_details(config: Config, stores: Stores, order_id: str) -> OrderDetails:
    found = _read_order(stores, order_id)
    account = config.accounts.get(found.account_key)
    return OrderDetails(
        order=found,
        attempts=stores.orders.timeline(order_id),
        account=stores.accounts.state(account.key, account.rate) if account else None,
        now=stores.accounts.now(),
        delivery=stores.deliveries.get(order_id),
        delivery_attempts=stores.deliveries.attempts(order_id),
        held=stores.schedule.is_held(found.account_key, order_id),
        fetch=stores.fetches.progress([order_id])[0],
        beat=bool(stores.processes.running("beat")),
        callback_url=config.settings.callback_url(found.client, found.callback_url),
    )


def _watch(read: ReadDetails) -> None:
    console = stdout_console()
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        for details in _until_final(read):
            live.update(order_details(details, console.width, WATCHED_ATTEMPTS), refresh=True)


def _watch_as_json(read: ReadDetails) -> None:
    """Print a line of JSON for each change."""
    printed = None
    for details in _until_final(read):
        document = order_to_json(details.order)
        if document != printed:
            print_json_line(document)
            printed = document


def _until_final(read: ReadDetails) -> Iterator[OrderDetails]:
    while True:
        details = read()
        yield details
        if details.order.status in FINAL:
            return
        time.sleep(WATCH_INTERVAL)
