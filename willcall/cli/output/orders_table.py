"""Orders as tables and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from willcall.cli.output.console import strip_control_characters
from willcall.cli.output.styles import NAME_WIDTH, STATUS_STYLES, WIDE, plain_table
from willcall.orders.model import Order
from willcall.orders.serialization import order_to_json, rfc3339
from willcall.views.formatting import describe_fetch, format_duration, format_relative
from willcall.views.overdue import OverdueOrder
from willcall.views.redaction import reference_label


def orders_table(orders: Sequence[Order], stopped: Mapping[str, str], now: float, width: int) -> Table:
    """Return one row per order. A narrow terminal shows long names in part, and drops columns.

    `stopped`: the accounts whose orders are held, with the reason; see `stopped_accounts`.
    """
    wide = width >= WIDE
    table = plain_table()
    table.add_column("order")
    table.add_column("account", max_width=None if wide else NAME_WIDTH)
    clients = any(order.client for order in orders)
    if clients:
        table.add_column("client", max_width=None if wide else NAME_WIDTH)
    table.add_column("status", no_wrap=True)
    events = any(order.event_at for order in orders)
    if events:
        table.add_column("event")
    table.add_column("when")
    if wide:
        table.add_column("polls", justify="right")
        table.add_column("submitted", no_wrap=True)
        table.add_column("reference", no_wrap=True)
    for order in orders:
        row = [
            Text(strip_control_characters(order.id)),
            Text(_account(order)),
            *([Text(order.client or "")] if clients else []),
            _status(order),
            *([_event(order, now)] if events else []),
            _when(order, stopped.get(order.account_key), now),
        ]
        if wide:
            submitted = format_relative(order.submitted_at, now, 1)
            row += [Text(str(order.attempts)), Text(submitted), Text(strip_control_characters(reference_label(order)))]
        table.add_row(*row)
    return table


def overdue_table(orders: Sequence[OverdueOrder], now: float) -> Table:
    """Return one row per overdue order: for how long, the hosts involved, and why documents are missing."""
    table = plain_table()
    table.add_column("order")
    table.add_column("account", max_width=NAME_WIDTH)
    table.add_column("status", no_wrap=True)
    table.add_column("overdue by")
    hosts = any(overdue.hosts or overdue.fetching or overdue.given_up for overdue in orders)
    if hosts:
        table.add_column("host")
    for overdue in orders:
        order = overdue.order
        table.add_row(
            Text(strip_control_characters(order.id)),
            Text(_account(order)),
            _status(order),
            format_duration(max(0.0, now - overdue.since)),
            *([Text("\n").join(_hosts_and_reasons(overdue, now))] if hosts else []),
        )
    return table


def row_to_json(order: Order) -> dict[str, Any]:
    """Return an order of a list as JSON, with the time since which it needs attention."""
    return {**order_to_json(order), "attention_at": rfc3339(order.attention_at)}


def overdue_to_json(overdue: OverdueOrder) -> dict[str, Any]:
    """Return an overdue order as JSON: since when, the hosts that it depends on, and their last answer."""
    return {
        **row_to_json(overdue.order),
        "since": rfc3339(overdue.since),
        "host": overdue.hosts[0] if overdue.hosts else None,
        "hosts": list(overdue.hosts),
        "last_answer": overdue.last_answer,
    }


def _hosts_and_reasons(overdue: OverdueOrder, now: float) -> Iterator[Text]:
    yield from (Text(strip_control_characters(host)) for host in overdue.hosts)
    if overdue.given_up:
        yield Text(f"given up: {strip_control_characters(overdue.given_up)}", "yellow")
    elif overdue.fetching:
        yield Text(strip_control_characters(describe_fetch(overdue.fetching, now)), "dim")


def _account(order: Order) -> str:
    return order.provider if order.account == "default" else order.account_key


def _status(order: Order) -> Text:
    return Text(order.status, STATUS_STYLES[order.status])


def _event(order: Order, now: float) -> Text:
    text = Text(format_relative(order.event_at, now, 1) if order.event_at is not None else "")
    if order.at_risk:
        text.append("\n! at risk", "bold yellow")
    return text


def _when(order: Order, stopped: str | None, now: float) -> Text:
    """Return the next poll, what it waits for, or the end; and below it why the order needs attention."""
    if order.finished_at is not None:
        when = f"ended {format_relative(order.finished_at, now, 1)}"
    elif stopped:
        verb = "waits" if stopped == "throttled" else "held"
        when = f"{verb}: account {'not configured' if stopped == 'unconfigured' else stopped}"
    elif order.next_poll_at is None:
        when = "waiting"
    elif order.next_poll_at <= now:
        when = "due" if order.next_poll_at > now - 1 else f"due {format_relative(order.next_poll_at, now, 1)}"
    else:
        when = f"next {format_relative(order.next_poll_at, now, 1)}"
    text = Text(when)
    if order.attention:
        text.append(f"\n! {order.attention.replace('_', ' ')}", "bold yellow")
    return text
