"""The sweeps as one Celery task, and beat's entries for it."""

from datetime import UTC, datetime
from typing import Any

from celery import Task, shared_task

from schedules.sweeps import BUDGET, sweep_for
from tasks.queues import SWEEPS
from willcall.config.settings import SweepSettings

#: Seconds until a sweep that ran out of time continues. Meanwhile others can run.
PAUSE = 1.0

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@shared_task(name="schedules.sweep", bind=True, log_fields=("sweep",))
def sweep(self: Task, name: str) -> dict[str, int] | None:
    """Run a sweep, unless it is running already. If its time is up, it continues in a moment."""
    with self.app.bulkhead.slot(SWEEPS) as wait:
        result = None if wait else sweep_for(self.app.willcall, name, BUDGET)
    if wait or (result and result.unfinished):
        self.apply_async((name,), queue=SWEEPS, countdown=wait or PAUSE)
    return dict(result.counts) if result else None


def beat_schedule(sweeps: SweepSettings) -> dict[str, dict[str, Any]]:
    """Return beat's schedule.

    All sweeps are due when beat starts. Otherwise a beat that restarts often would never run those with long intervals.
    A message expires when the next one of its sweep is due.
    """
    return {
        name: {
            "task": sweep.name,
            "schedule": every,
            "last_run_at": _LONG_AGO,
            "args": (name,),
            "options": {"queue": SWEEPS, "expires": every},
        }
        for name, every in sweeps.intervals.items()
    }
