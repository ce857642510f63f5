"""The sweeps as one Celery task, and beat's entries for it."""

from datetime import UTC, datetime
from typing import Any

from celery import Task, shared_task

from schedules.timetable import BUDGET, sweep_for
from tasks.queues import SWEEPS
from willcall.config.settings import SweepSettings

#: Seconds until a sweep that ran out of time goes on: the others have their turn.
PAUSE = 1.0

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@shared_task(name="schedules.sweep", bind=True, log_fields=("sweep",))
def sweep(self: Task, name: str) -> dict[str, int] | None:
    """Run the sweep `name`, unless a run of it is at work already. One that ran out of time goes on in a moment."""
    with self.app.bulkhead.slot(SWEEPS) as wait:
        swept = None if wait else sweep_for(self.app.willcall, name, BUDGET)
    if wait or (swept and swept.unfinished):
        self.apply_async((name,), queue=SWEEPS, countdown=wait or PAUSE)
    return dict(swept.counts) if swept else None


def beat_schedule(sweeps: SweepSettings) -> dict[str, dict[str, Any]]:
    """Beat's entries. All are due when it starts: else one that starts often never ran those with long intervals.

    One that was not started before the next is due has nothing left to do and expires.
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
