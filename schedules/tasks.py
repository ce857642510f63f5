"""The sweeps as one Celery task, and beat's entries for it."""

from datetime import UTC, datetime
from typing import Any

from celery import Task, shared_task

from schedules.timetable import run_sweep
from tasks.queues import SWEEPS
from willcall.config import Sweeps

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@shared_task(name="schedules.sweep", bind=True, log_fields=("sweep",))
def sweep(self: Task, name: str) -> dict[str, int] | None:
    """Run the sweep `name`, unless a run of it is at work already."""
    with self.app.bulkhead.enter(SWEEPS) as wait:
        if not wait:
            return run_sweep(self.app.willcall, name)
    self.apply_async((name,), queue=SWEEPS, countdown=wait)
    return None


def beat_schedule(sweeps: Sweeps) -> dict[str, dict[str, Any]]:
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
