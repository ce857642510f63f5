"""How far the telling of an order's backend is, for a person."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from willcall.cli.output.console import strip_control_characters
from willcall.cli.output.styles import INDENT, WIDE, bare_table
from willcall.orders.callbacks import CallbackStatus
from willcall.stores.deliveries import DeliveryAttempt, DeliveryState
from willcall.views.formatting import format_duration, format_relative, format_timestamp


def callbacks(
    delivery: DeliveryState | None, tries: Sequence[DeliveryAttempt], now: float, width: int
) -> list[RenderableType]:
    """Where the latest event stands, and the tries so far; nothing where nobody is told."""
    if delivery is None:
        return []
    title = Text.assemble(("Callbacks", "bold"), f"  {delivery.event_type} {_stands(delivery, now)}")
    return ["", title, *([Padding(_table(tries, now, width), INDENT)] if tries else [])]


def _stands(delivery: DeliveryState, now: float) -> str:
    match delivery.status:
        case CallbackStatus.DELIVERED:
            return "is delivered"
        case CallbackStatus.UNDELIVERABLE:
            return "could not be delivered"
    due = delivery.next_try_at
    return "is being delivered" if due is None or due <= now else f"is tried again {format_relative(due, now)}"


def _table(tries: Sequence[DeliveryAttempt], now: float, width: int) -> RenderableType:
    table = bare_table()
    table.add_column("when", no_wrap=True)
    if width >= WIDE:
        table.add_column("at", no_wrap=True, style="dim")
    table.add_column("event", no_wrap=True)
    table.add_column("HTTP", no_wrap=True)
    table.add_column("next in", no_wrap=True, justify="right")
    table.add_column("why", overflow="fold", ratio=1)
    for made in tries:
        table.add_row(
            format_relative(made.at, now),
            *([format_timestamp(made.at)] if width >= WIDE else []),
            made.event_type,
            str(made.http_status or ""),
            "" if made.wait is None else format_duration(made.wait),
            strip_control_characters(made.why),
        )
    return table
