"""The tables and panels of the demo."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from willcall.devtools.demo_deployment import DemoProgress
from willcall.orders.model import Attempt, Order, Status

COLOURS = {
    Status.PENDING: "yellow",
    Status.PARTIAL: "cyan",
    Status.FULFILLED: "green",
    Status.FAILED: "red",
    Status.CANCELLED: "magenta",
    Status.EXPIRED: "bright_black",
}


def progress_table(progress: DemoProgress, elapsed: float) -> RenderableType:
    """Return orders by status per provider, and the latest attempts, while the demo runs."""
    table = Table(title=f"{elapsed:4.0f} s", title_justify="left", expand=True)
    table.add_column("provider")
    for status, colour in COLOURS.items():
        table.add_column(status, justify="right", style=colour)
    table.add_column("polls", justify="right")
    table.add_column("tickets", justify="right")
    for provider, orders in _by_provider(progress.orders.values()).items():
        polls = sum(order.attempts for order in orders)
        tickets = sum(len(order.tickets) for order in orders)
        table.add_row(provider, *_counts(orders), str(polls), str(tickets))
    done = len(progress.orders) - len(progress.unfinished)
    bar = ProgressBar(total=max(1, len(progress.orders)), completed=done)
    return Group(table, bar, Text(f"{done} of {len(progress.orders)} orders have ended as scripted"), _latest(progress))


def summary_table(progress: DemoProgress, verdict: Mapping[str, Any]) -> Table:
    """Return how orders ended, and how often and how punctually each provider was polled."""
    title = f"{len(progress.orders)} orders, {len(verdict['providers'])} providers"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("provider", no_wrap=True)
    for status in (Status.FULFILLED, Status.FAILED, Status.CANCELLED, Status.EXPIRED):
        table.add_column(status, justify="right", style=COLOURS[status], no_wrap=True)
    for name in ("polls", "429s", "early", "late p50/p99"):
        table.add_column(name, justify="right", no_wrap=True)
    for provider, orders in _by_provider(progress.orders.values()).items():
        tally = verdict["providers"][provider]
        late = sorted(attempt.late for order in orders for attempt in progress.timelines[order.id])
        table.add_row(
            provider,
            *_counts(orders)[2:],
            str(tally["status_requests"]),
            str(tally["throttled"]),
            str(tally["too_early"]),
            f"{_percentile(late, 0.50):.2f}/{_percentile(late, 0.99):.2f} s",
        )
    return table


def verdict_panel(
    progress: DemoProgress, verdict: Mapping[str, Any], events: int, pushes: Sequence[Mapping[str, Any]]
) -> Panel:
    """Return whether orders, callbacks and requests went as scripted."""
    tickets = [ticket for order in progress.orders.values() for ticket in order.tickets]
    documents = len({ticket.document for ticket in tickets if ticket.document})
    delivered = len({message.id for message in progress.callbacks if message.verified})
    again = len(progress.callbacks) - delivered
    lines = [
        f"{len(progress.orders) - len(progress.unfinished)} of {len(progress.orders)} orders ended as scripted",
        f"{len(tickets)} tickets, {documents} PDFs stored; {len(pushes)} webhooks received from Tiqets and Tixstock",
        f"{events} events, one for each change of an order",
        f"{delivered} signed callbacks, {events - delivered} superseded by a newer event; {again} retried",
        "requests: "
        + ("never too early, never over the rate, never two at once for an order" if verdict["ok"] else "FAULTS"),
        *(f"  {fault}" for fault in verdict["faults"]),
        *(
            f"  {order.id} ({order.provider}) is {order.status}, not {progress.expected[order.id]}"
            for order in progress.unfinished
        ),
        *(f"  the backend has not accepted how {order_id} ended" for order_id in progress.undelivered),
    ]
    good = verdict["ok"] and not progress.unfinished and not progress.undelivered
    return Panel("\n".join(lines), title="as scripted" if good else "NOT as scripted", style="green" if good else "red")


def _latest(progress: DemoProgress) -> Table:
    attempts = [(attempt, order) for order in progress.orders.values() for attempt in progress.timelines[order.id][-2:]]
    latest = sorted(attempts, key=lambda pair: pair[0].at, reverse=True)[:8]
    table = Table.grid(padding=(0, 2))
    for attempt, order in latest:
        table.add_row(order.id, order.provider, *_attempt_cells(attempt), style="dim")
    return table


def _attempt_cells(attempt: Attempt) -> tuple[str, str, str]:
    following = "" if attempt.countdown is None else f"again in {attempt.countdown:.1f} s"
    return attempt.outcome, attempt.why, following


def _by_provider(orders: Iterable[Order]) -> dict[str, list[Order]]:
    grouped: dict[str, list[Order]] = {}
    for order in orders:
        grouped.setdefault(order.provider, []).append(order)
    return grouped


def _counts(orders: list[Order]) -> list[str]:
    return [str(sum(order.status is status for order in orders)) for status in COLOURS]


def _percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` of the sorted values lie, or 0 for no values."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0
