"""Whether the sweeps run in time: one rule for everybody who tells of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from willcall.stores.processes import RunningProcess
from willcall.stores.sweeps import SweepRun

#: A sweep is missed after so many of its intervals, but not before so many seconds.
MISSED, AT_LEAST = 3, 30.0


@dataclass(frozen=True, slots=True)
class OverdueSweep:
    """A sweep that did not run in time. `every`: seconds; `ran_at`: its last run, epoch seconds, None: none yet."""

    name: str
    every: float
    ran_at: float | None


def overdue_sweeps(
    last: Mapping[str, SweepRun], intervals: Mapping[str, float], processes: Iterable[RunningProcess], now: float
) -> list[OverdueSweep]:
    """By the last run of each, and its interval; one that failed is in time, and told of for itself.

    `processes`: those that are alive; the first beat among them gave each its first run an interval after it began.
    """
    began = min((process.since for process in processes if process.kind == "beat"), default=None)
    missed = []
    for name, every in intervals.items():
        run = last.get(name)
        since = max((moment for moment in (run and run.at, began) if moment), default=now)
        if not (run and run.error) and now - since > max(MISSED * every, AT_LEAST):
            missed.append(OverdueSweep(name, every, run.at if run else None))
    return missed


def restart_advice(*, beat: bool, worker: bool) -> str:
    """How missed sweeps are made to run again, by who is alive; to be followed by more."""
    if not beat:
        return "Start beat"
    if not worker:
        return "Start a worker"
    return "See whether a worker serves the queue willcall.sweeps and is not overrun; if one does, restart beat"
