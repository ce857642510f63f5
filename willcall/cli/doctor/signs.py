"""Silence in words."""

from typing import TYPE_CHECKING

from willcall.views.formatting import format_duration, format_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from willcall.stores.processes import Heartbeat, RunningProcess


def silence(process: "RunningProcess", now: float) -> str:
    """Who has fallen silent."""
    return f"{process.name} is silent for {format_duration(now - process.last_seen)}"


def since_when(silent: "Iterable[RunningProcess]", last: "Heartbeat | None", now: float, never: str) -> str:
    """Since when none of a kind is alive: by those that are silent, else the last that ever was; `never`: none was."""
    told = "; ".join(silence(process, now) for process in silent)
    if told or last is None:
        return told or never
    return f"the last sign, of {last.name}, was {format_duration(now - last.at)} ago, {format_timestamp(last.at)}"
