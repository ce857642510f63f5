"""Colours, plain tables and descriptions of an account's health."""

from rich.table import Table

from willcall.orders.model import Status
from willcall.stores.accounts import AccountState
from willcall.views.formatting import format_duration, format_next_probe

STATUS_STYLES = {
    Status.PENDING: "cyan",
    Status.PARTIAL: "blue",
    Status.FULFILLED: "green",
    Status.FAILED: "red",
    Status.CANCELLED: "magenta",
    Status.EXPIRED: "yellow",
}

HEALTH_STYLES = {"ok": "green", "throttled": "yellow", "paused": "blue", "unauthorized": "red", "down": "red"}

#: The padding below a title.
INDENT = (0, 0, 0, 2)

#: From this width on, tables have their optional columns.
WIDE = 110

#: The longest name of an account or a client in a list on a narrower terminal, with its `…`.
NAME_WIDTH = 20


def plain_table() -> Table:
    """Return a table without borders, its columns two spaces apart.

    Where the terminal is too narrow, lines break at blanks only, and what is still too long ends with `…`: a name or id
    that is broken would read as two. `--json` has them in full.
    """
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)


def describe_health(state: AccountState, now: float, *, held: bool, beat: bool) -> str:
    """Return an account's health, and until when it lasts.

    `held`: whether an order is held until the account recovers. `beat`: whether beat is running.
    """
    health = state.health.value
    match health:
        case "ok":
            return health
        case "throttled" | "paused":
            left = f"{health}, {format_duration(state.until - now)} left" if state.until else f"{health} until resumed"
            return f"{left}; {_health_since(state.underlying, now)}" if state.underlying else left
    probe = format_next_probe(state.probe_at, now, held=held, beat=beat)
    return f"{_health_since(state, now)}{f', next attempt {probe}' if probe else ''}"


def _health_since(state: AccountState, now: float) -> str:
    return f"{state.health.value} for {format_duration(now - state.since)}" if state.since else state.health.value
