"""The tables of an order's poll attempts and callback attempts."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from willcall.cli.output.console import strip_control_characters
from willcall.cli.output.styles import INDENT, WIDE, plain_table
from willcall.orders.callbacks import CallbackStatus
from willcall.orders.model import Attempt
from willcall.stores.deliveries import DeliveryAttempt, DeliveryState
from willcall.views.formatting import format_duration, format_relative, format_timestamp


def poll_attempts(
    attempts: Sequence[Attempt], made: int, now: float, width: int, limit: int | None = None
) -> list[RenderableType]:
    """Return the latest `limit` attempts, with a title; `made` is how many there were in all."""
    if not attempts:
        return [Text("No attempts yet", "bold")]
    shown = attempts if limit is None else attempts[-limit:]
    title = f"Attempts ({made})" + (f", the last {len(shown)}" if len(shown) < made else "")
    wide = width >= WIDE
    table = _attempts_table(wide, "outcome", ("next in", "late"))
    for attempt in shown:
        table.add_row(
            *_times(attempt.at, now, wide),
            attempt.outcome.replace("_", " "),
            str(attempt.http_status or ""),
            "" if attempt.countdown is None else format_duration(attempt.countdown),
            f"{max(attempt.late, 0):.1f} s",
            strip_control_characters(attempt.why),
        )
    return [Text(title, "bold"), Padding(table, INDENT)]


def callback_attempts(
    delivery: DeliveryState | None, attempts: Sequence[DeliveryAttempt], now: float, width: int
) -> list[RenderableType]:
    """Return the state of the latest event's delivery and its attempts; empty if there is no callback."""
    if delivery is None:
        return []
    title = Text.assemble(("Callbacks", "bold"), f"  {delivery.event_type} {_describe_delivery(delivery, now)}")
    if not attempts:
        return ["", title]
    wide = width >= WIDE
    table = _attempts_table(wide, "event", ("next in",))
    for attempt in attempts:
        table.add_row(
            *_times(attempt.at, now, wide),
            attempt.event_type,
            str(attempt.http_status or ""),
            "" if attempt.wait is None else format_duration(attempt.wait),
            strip_control_characters(attempt.why),
        )
    return ["", title, Padding(table, INDENT)]


def _attempts_table(wide: bool, subject: str, durations: Sequence[str]) -> Table:
    table = plain_table()
    table.add_column("when", no_wrap=True)
    if wide:
        table.add_column("at", no_wrap=True, style="dim")
    table.add_column(subject, no_wrap=True)
    table.add_column("HTTP", no_wrap=True)
    for title in durations:
        table.add_column(title, no_wrap=True, justify="right")
    table.add_column("why", ratio=1)
    return table


def _times(at: float, now: float, wide: bool) -> list[str]:
    return [format_relative(at, now), *([format_timestamp(at)] if wide else [])]


def _describe_delivery(delivery: DeliveryState, now: float) -> str:
    match delivery.status:
        case CallbackStatus.DELIVERED:
            return "was accepted"
        case CallbackStatus.UNDELIVERABLE:
            return "could not be delivered"
    due = delivery.next_try_at
    return "is being delivered" if due is None or due <= now else f"will be retried {format_relative(due, now)}"
