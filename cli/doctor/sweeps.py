"""The sweeps: whether each runs in time, and well."""
# ruff: noqa: PLC0415 - see cli.session

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cli.doctor.findings import Finding, ok, unknown, wrong
from willcall.stores.sweeps import SweepRun, SweepStore
from willcall.usecases.wording import relative, span

if TYPE_CHECKING:
    from cli.doctor.patient import Patient

#: A sweep is missed after so many of its intervals, but not before so many seconds.
MISSED, AT_LEAST = 3, 30.0


def check(patient: "Patient") -> list[Finding]:
    """All sweeps; beat gives each its first run an interval after it has begun."""
    from schedules.timetable import SWEEPS

    beats = patient.processes.alive("beat")
    began = beats[0].since if beats else None
    intervals = {name: sweep.every(patient.config.settings.sweeps) for name, sweep in SWEEPS.items()}
    return judge(SweepStore(patient.redis).last(), intervals, began, patient.now())


def judge(
    last: Mapping[str, SweepRun], intervals: Mapping[str, float], began: float | None, now: float
) -> list[Finding]:
    """By the last run of each and its interval, seconds; `began`: since when a beat is alive, None where none is."""
    found, missed = [], []
    for name, every in intervals.items():
        run = last.get(name)
        since = max((moment for moment in (run and run.at, began) if moment), default=now)
        if run and run.error:
            how = f"Read what the workers logged then; `willcall sweep {name}` runs it by hand."
            found.append(wrong(f"{name} failed {relative(run.at, now)}: {run.error}", how))
        elif now - since > max(MISSED * every, AT_LEAST):
            missed.append(f"{name} (every {span(every)}) {f'ran {relative(run.at, now)}' if run else 'never ran'}")
    if missed:
        how = "Start beat" if began is None else "See whether a worker serves the queue `sweeps` and is not overrun"
        found.append(wrong(f"missed: {', '.join(missed)}", f"{how}; `willcall sweep` runs them by hand."))
    if found or began is None:
        return found or [unknown("beat is away")]
    latest = max((run.at for run in last.values()), default=None)
    when = "none has had to run yet" if latest is None else f"the last run was {relative(latest, now)}"
    return [ok(f"all {len(intervals)} are in time, {when}")]
