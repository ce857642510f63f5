"""An order as it changes, until it is final."""

import time
from collections.abc import Callable, Iterator

from rich.live import Live

from willcall.cli.output.console import print_json_line, stdout_console
from willcall.cli.output.order_details import OrderDetails, order_details
from willcall.orders.model import FINAL
from willcall.orders.serialization import order_to_json

#: Seconds between two looks.
PERIOD = 0.5
#: A longer timeline would push the order's state off a small screen.
MOST_ATTEMPTS = 10

Look = Callable[[], OrderDetails]


def watch_view(look: Look) -> None:
    """The view of one order, kept up to date."""
    console = stdout_console()
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        for snapshot in _until_final(look):
            live.update(order_details(snapshot, console.width, MOST_ATTEMPTS), refresh=True)


def watch_lines(look: Look) -> None:
    """A line of JSON per change."""
    told = None
    for snapshot in _until_final(look):
        document = order_to_json(snapshot.order)
        if document != told:
            print_json_line(document)
            told = document


def _until_final(look: Look) -> Iterator[OrderDetails]:
    while True:
        snapshot = look()
        yield snapshot
        if snapshot.order.status in FINAL:
            return
        time.sleep(PERIOD)
