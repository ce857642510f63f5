"""The workers: whether there are any, and whether all queues are served."""
# ruff: noqa: PLC0415 - see cli.session

from typing import TYPE_CHECKING

from willcall.cli.doctor.findings import Finding, ok, warning, wrong
from willcall.cli.doctor.signs import silence, since_when
from willcall.stores.connection import probe
from willcall.stores.processes import FORGOTTEN_AFTER, RUNNING_WITHIN
from willcall.views.formatting import format_count, format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from willcall.cli.doctor.patient import Patient
    from willcall.stores.processes import Heartbeat, RunningProcess


def check(patient: "Patient") -> list[Finding]:
    """The workers of all machines."""
    from tasks.queues import queue_names

    now, seen = patient.now(), patient.processes.running("worker", FORGOTTEN_AFTER)
    if not any(now - worker.last_seen <= RUNNING_WITHIN for worker in seen):
        probe(patient.redis)  # a Redis that takes no writes takes no heartbeats either
    last = patient.processes.last_heartbeats().get("worker")
    return judge(seen, last, queue_names(patient.config), now)


def judge(
    seen: "Sequence[RunningProcess]", last: "Heartbeat | None", queues: "Sequence[str]", now: float
) -> list[Finding]:
    """By those that were seen lately, the longest-lived first, the last sign of any, and the queues that there are."""
    alive = [worker for worker in seen if now - worker.last_seen <= RUNNING_WITHIN]
    silent = [worker for worker in seen if worker not in alive]
    if not alive:
        why = since_when(silent, last, now, "nothing is asked and nobody is told")
        return [wrong(f"no worker is alive: {why}", "Start one, `willcall worker`, and read the log of the last.")]
    how = "It was killed or is stuck: read its log, and start it again."
    found = [warning(silence(worker, now), how) for worker in silent]
    working = [worker for worker in alive if worker.detail.get("state") != "suspended"]
    served = {queue for worker in working for queue in worker.detail.get("queues", "").split(",")}
    left = [queue for queue in queues if queue not in served]
    if not working:
        found.append(
            wrong("all workers wait for the broker, or are stopping", "Look at the broker, and at their logs.")
        )
    elif left:
        how = f"Start one for all queues, or `willcall worker --queues {','.join(left)}`."
        found.append(wrong(f"no worker takes from {', '.join(left)}", how))
    oldest = format_duration(now - alive[0].since)
    return found or [
        ok(f"{format_count(len(alive), 'worker')}, the first for {oldest}; all {len(queues)} queues are served")
    ]
