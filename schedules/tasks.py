"""The sweeps as one Celery task, and beat's entries for it."""

from typing import Any

from celery import Task, shared_task

from schedules.timetable import SWEEPS, run_sweep
from tasks.queues import SWEEPS as QUEUE
from willcall.config import Sweeps


@shared_task(name="schedules.sweep", bind=True, log_fields=("sweep",))
def sweep(self: Task, name: str) -> dict[str, int] | None:
    """Run the sweep `name`, unless a run of it is at work already."""
    return run_sweep(self.app.willcall, name)


def beat_schedule(sweeps: Sweeps) -> dict[str, dict[str, Any]]:
    """Beat's entries. One that was not started before the next is due has nothing left to do and expires."""
    return {
        name: {
            "task": sweep.name,
            "schedule": entry.every(sweeps),
            "args": (name,),
            "options": {"queue": QUEUE, "expires": entry.every(sweeps)},
        }
        for name, entry in SWEEPS.items()
    }
