"""Pieces that several views share: colours, account health in words, tables without frames."""

from typing import TYPE_CHECKING

from rich.table import Table

from willcall.orders.model import Status
from willcall.views.formatting import format_duration, format_next_probe

if TYPE_CHECKING:
    from willcall.stores.accounts import AccountState

STATUS_STYLES = {
    Status.PENDING: "cyan",
    Status.PARTIAL: "blue",
    Status.FULFILLED: "green",
    Status.FAILED: "red",
    Status.CANCELLED: "magenta",
    Status.EXPIRED: "yellow",
}

#: What stands below a title.
INDENT = (0, 0, 0, 2)

#: From this width on there is room for more than what must be known.
WIDE = 110

HEALTH_STYLES = {"ok": "green", "throttled": "yellow", "paused": "blue", "unauthorized": "red", "down": "red"}


def bare_table() -> Table:
    """A table of columns two spaces apart, with nothing around it."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)


def describe_health(state: "AccountState", now: float, *, held: bool, beat: bool) -> str:
    """How an account is doing, and until when that lasts.

    `held`: whether an order waits until it goes on; `beat`: whether one is alive.
    """
    word = state.health.value
    match word:
        case "ok":
            return word
        case "throttled" | "paused":
            lasts = f"{word}, {format_duration(state.until - now)} left" if state.until else f"{word} until resumed"
            return f"{lasts}; {_lasting(state.underlying, now)}" if state.underlying else lasts
    tried = format_next_probe(state.probe_at, now, held=held, beat=beat)
    return f"{_lasting(state, now)}{f', next try {tried}' if tried else ''}"


def _lasting(state: "AccountState", now: float) -> str:
    return f"{state.health.value} for {format_duration(now - state.since)}" if state.since else state.health.value
