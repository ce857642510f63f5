"""Which sweeps are overdue."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from willcall.stores.processes import RunningProcess
from willcall.stores.sweeps import SweepRun

#: A sweep is overdue after this many of its intervals, but not before this many seconds.
_INTERVALS, _AT_LEAST = 3, 30.0


@dataclass(frozen=True, slots=True)
class OverdueSweep:
    """A sweep that is overdue: its interval in seconds, and its last run in epoch seconds, if there was one."""

    name: str
    every: float
    ran_at: float | None


def overdue_sweeps(
    last: Mapping[str, SweepRun], intervals: Mapping[str, float], processes: Iterable[RunningProcess], now: float
) -> list[OverdueSweep]:
    """Return the sweeps whose last run is too long ago. A failed run counts as in time: it is a trouble of its own.

    A sweep that never ran is measured from the start of the first beat among `processes`.
    """
    began = min((process.since for process in processes if process.kind == "beat"), default=None)
    overdue = []
    for name, every in intervals.items():
        run = last.get(name)
        since = max((moment for moment in (run and run.at, began) if moment), default=now)
        if not (run and run.error) and now - since > max(_INTERVALS * every, _AT_LEAST):
            overdue.append(OverdueSweep(name, every, run.at if run else None))
    return overdue


def restart_advice(*, beat: bool, worker: bool) -> str:
    """Return what makes overdue sweeps run again, as the beginning of a sentence."""
    if not beat:
        return "Start beat"
    if not worker:
        return "Start a worker"
    return "Check whether a worker serves the queue willcall.sweeps and keeps up; if so, restart beat"
