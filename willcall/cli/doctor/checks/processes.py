"""Workers, beat and the sweeps: whether each runs, by heartbeats in Redis."""

import socket
from collections.abc import Iterable, Sequence

from tasks.queues import queue_names
from willcall.cli.doctor.context import CheckContext
from willcall.cli.doctor.findings import Finding, error, ok, unknown, warning
from willcall.orders.troubles import SYSTEM_TROUBLES
from willcall.stores.connection import StoreError, probe
from willcall.stores.processes import FORGOTTEN_AFTER, RUNNING_WITHIN, Heartbeat, LostProcess, RunningProcess
from willcall.stores.sweeps import SweepRun, SweepStore
from willcall.views.formatting import format_count, format_duration, format_relative, format_timestamp
from willcall.views.sweeps import OverdueSweep, overdue_sweeps, restart_advice


def check_workers(context: CheckContext) -> list[Finding]:
    """Check the workers of all machines."""
    now, seen = context.now(), context.processes.running("worker", FORGOTTEN_AFTER)
    if not any(_is_running(worker, now) for worker in seen):
        probe(context.redis)  # a Redis that accepts no writes gets no heartbeats either
    last = context.processes.last_heartbeats().get("worker")
    lost = [one for one in context.processes.lost() if one.kind == "worker"]
    return _judge_workers(seen, last, queue_names(context.config), now, lost)


def _judge_workers(
    seen: Sequence[RunningProcess],
    last: Heartbeat | None,
    queues: Sequence[str],
    now: float,
    lost: Sequence[LostProcess] = (),
) -> list[Finding]:
    """Return findings about the workers seen lately, those that started first first."""
    running = [worker for worker in seen if _is_running(worker, now)]
    missing = [worker for worker in seen if worker not in running]
    if not running:
        why = _describe_last_heartbeat(missing, last, now) or "no provider is polled and no callback is sent"
        return [error(f"no worker is running; {why}", SYSTEM_TROUBLES["no_worker"].remedy)]
    found = [
        warning(
            f"{worker.name} has sent no heartbeat for {format_duration(now - worker.last_seen)}",
            SYSTEM_TROUBLES["process_lost"].remedy,
        )
        for worker in lost
    ]
    working = [worker for worker in running if worker.detail.get("state") != "suspended"]
    served = {queue for worker in working for queue in worker.detail.get("queues", "").split(",")}
    unserved = [queue for queue in queues if queue not in served]
    if not working:
        found.append(
            error("all workers are waiting for the broker or stopping", "Check the broker and the workers' logs.")
        )
    elif unserved:
        fix = f"Start one for all queues, or `willcall worker --queues {','.join(unserved)}`."
        found.append(error(f"no worker serves {', '.join(unserved)}", fix))
    oldest = format_duration(now - running[0].since)
    summary = f"{format_count(len(running), 'worker')}, the first running for {oldest}"
    return found or [ok(f"{summary}; all {len(queues)} queues are served")]


def check_beat(context: CheckContext) -> list[Finding]:
    """Check that one beat at least is running on any machine."""
    seen, now = context.processes.running("beat", FORGOTTEN_AFTER), context.now()
    running = [beat for beat in seen if _is_running(beat, now)]
    if not running:
        probe(context.redis)  # a Redis that accepts no writes gets no heartbeats either
        last = context.processes.last_heartbeats().get("beat")
        why = _describe_last_heartbeat(seen, last, now) or "no sweep is started, so nothing that was lost is repaired"
        return [error(f"beat is not running; {why}", SYSTEM_TROUBLES["no_beat"].remedy)]
    latest = max(beat.last_seen for beat in running)
    return [ok(f"{format_count(len(running), 'beat')}, last heartbeat {format_duration(now - latest)} ago")]


def check_sweeps(context: CheckContext) -> list[Finding]:
    """Check that each sweep runs in time, and that its last run did not fail."""
    last, now = SweepStore(context.redis).last_runs(), context.now()
    intervals = context.config.settings.sweeps.intervals
    beats, workers = context.processes.running("beat"), context.processes.running("worker")
    found = [_sweep_failed(name, last[name], now) for name in intervals if name in last and last[name].error]
    overdue = overdue_sweeps(last, intervals, beats, now)
    if overdue:
        restart = restart_advice(beat=bool(beats), worker=bool(workers))
        sweeps = ", ".join(_describe_overdue_sweep(sweep, now) for sweep in overdue)
        fix = SYSTEM_TROUBLES["sweeps_overdue"].instructions(restart=restart)
        found.append(error(f"overdue: {sweeps}", fix, ("workers", "beat")))
    if found or not beats:
        return found or [unknown("beat is not running")]
    latest = max((run.at for run in last.values()), default=None)
    when = "none was due yet" if latest is None else f"the last ran {format_relative(latest, now)}"
    return [ok(f"all {len(intervals)} in time, {when}")]


def check_own_process(context: CheckContext, kind: str) -> list[Finding]:
    """Check that a process of this kind runs on this host, for the health checks of containers.

    An unreachable Redis is only a warning, as it is no reason to restart the process.
    """
    host = socket.gethostname()
    try:
        seen = context.processes.running(kind, FORGOTTEN_AFTER)
        now = context.now()
    except StoreError:
        fix = "Check Redis; restarting this process would not help."
        return [warning("Redis is unreachable, so this cannot be checked", fix)]
    own = [process for process in seen if process.name.endswith(f"@{host}")]
    latest = max(own, key=lambda process: process.last_seen, default=None)
    fix = f"Restart it: each {kind} sends a heartbeat every few seconds."
    if latest is None:
        return [error(f"no {kind} on {host} has sent a heartbeat for {format_duration(FORGOTTEN_AFTER)}", fix)]
    if not _is_running(latest, now):
        return [error(f"{latest.name} has sent no heartbeat for {format_duration(now - latest.last_seen)}", fix)]
    return [ok(f"{latest.name}, last heartbeat {format_duration(now - latest.last_seen)} ago")]


def _is_running(process: RunningProcess, now: float) -> bool:
    return now - process.last_seen <= RUNNING_WITHIN


def _describe_last_heartbeat(missing: Iterable[RunningProcess], last: Heartbeat | None, now: float) -> str | None:
    """Return when processes were last seen: those seen lately, else the last ever; `None` if there was none."""
    recent = ", ".join(f"{process.name} {format_duration(now - process.last_seen)} ago" for process in missing)
    if recent:
        return f"last heartbeat: {recent}"
    if last is None:
        return None
    return f"last heartbeat: {last.name} {format_duration(now - last.at)} ago, {format_timestamp(last.at)}"


def _sweep_failed(name: str, run: SweepRun, now: float) -> Finding:
    fix = SYSTEM_TROUBLES["sweep_failed"].instructions(sweep=name)
    return error(f"{name} failed {format_relative(run.at, now)}: {run.error}", fix)


def _describe_overdue_sweep(sweep: OverdueSweep, now: float) -> str:
    ran = "never ran" if sweep.ran_at is None else f"last ran {format_relative(sweep.ran_at, now)}"
    return f"{sweep.name} (every {format_duration(sweep.every)}, {ran})"
