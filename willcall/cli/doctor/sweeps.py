"""The sweeps: whether each runs in time, and well."""

from typing import TYPE_CHECKING

from willcall.cli.doctor.findings import Finding, ok, unknown, wrong
from willcall.stores.sweeps import SweepRun, SweepStore
from willcall.views.formatting import format_duration, format_relative
from willcall.views.sweeps import OverdueSweep, overdue_sweeps, restart_advice

if TYPE_CHECKING:
    from willcall.cli.doctor.patient import Patient


def check(patient: "Patient") -> list[Finding]:
    """All sweeps."""
    last, now = SweepStore(patient.redis).last_runs(), patient.now()
    intervals = patient.config.settings.sweeps.intervals
    beats, workers = patient.processes.running("beat"), patient.processes.running("worker")
    found = [_failed(name, last[name], now) for name in intervals if name in last and last[name].error]
    missed = overdue_sweeps(last, intervals, beats, now)
    if missed:
        told = ", ".join(_told(each, now) for each in missed)
        how = restart_advice(beat=bool(beats), worker=bool(workers))
        found.append(wrong(f"missed: {told}", f"{how}; `willcall sweep` runs them by hand."))
    if found or not beats:
        return found or [unknown("beat is away")]
    latest = max((run.at for run in last.values()), default=None)
    when = "none has had to run yet" if latest is None else f"the last run was {format_relative(latest, now)}"
    return [ok(f"all {len(intervals)} are in time, {when}")]


def _failed(name: str, run: SweepRun, now: float) -> Finding:
    how = f"Read what the workers logged then; `willcall sweep {name}` runs it by hand."
    return wrong(f"{name} failed {format_relative(run.at, now)}: {run.error}", how)


def _told(sweep: OverdueSweep, now: float) -> str:
    ran = "never ran" if sweep.ran_at is None else f"ran {format_relative(sweep.ran_at, now)}"
    return f"{sweep.name} (every {format_duration(sweep.every)}) {ran}"
