"""All sweeps, and how one is run."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import structlog

from schedules.alerts import alerts
from schedules.documents import documents
from schedules.events import events
from schedules.expire import expire
from schedules.inbox import inbox
from schedules.lists import lists
from schedules.notify import notify
from schedules.polls import polls
from schedules.prune import prune
from schedules.reconcile import reconcile
from schedules.reports import reports
from schedules.run import Run
from schedules.watch import watch
from willcall.stores.connection import StoreError
from willcall.usecases.context import Context

log = structlog.get_logger(__name__)

#: Seconds after which a dead run no longer blocks the next one. A running one renews its lease.
LEASE = 15.0
#: Seconds after which a run starts nothing new, so that all sweeps get their turns and a run ends before its message is
#: redelivered. What it has started takes two exchanges with a provider at most.
BUDGET = 20.0
#: Seconds after which a lease is no longer renewed, because the run hangs.
LONGEST = 600.0

#: Each sweep returns counts. How often it runs is in `willcall.config.settings.SweepSettings`.
SWEEPS: dict[str, Callable[[Run], dict[str, int]]] = {
    "polls": polls,
    "documents": documents,
    "notify": notify,
    "events": events,
    "expire": expire,
    "reconcile": reconcile,
    "watch": watch,
    "lists": lists,
    "prune": prune,
    "inbox": inbox,
    "reports": reports,
    "alerts": alerts,
}


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a run did. `unfinished`: its time was up, and the next run continues there."""

    counts: Mapping[str, int]
    unfinished: bool


def run_sweep(context: Context, name: str, budget: float = BUDGET) -> dict[str, int] | None:
    """Run a sweep now. Returns its counts, or None if it is running already."""
    result = sweep_for(context, name, budget)
    return dict(result.counts) if result else None


def sweep_for(context: Context, name: str, budget: float) -> SweepResult | None:
    """Run a sweep for about `budget` seconds and record its result.

    Returns None if it is running already, or if only the beat of a newer release knows it.
    """
    if name not in SWEEPS:
        log.info("unknown sweep", sweep=name)
        return None
    with context.stores.leases.hold(f"sweep:{name}", LEASE, max(LONGEST, budget)) as lease:
        if not lease:
            return None
        result = _run_recorded(Run(context, name, monotonic() + budget, lease))
    if any(result.counts.values()) or result.unfinished:
        log.info("sweep", sweep=name, unfinished=result.unfinished, **result.counts)
    return result


def _run_recorded(run: Run) -> SweepResult:
    stores, begun = run.context.stores, monotonic()
    try:
        counts = SWEEPS[run.name](run)
    except Exception as error:
        with suppress(StoreError):  # the exception itself matters more than an unavailable Redis
            stores.sweeps.record_failure(run.name, stores.accounts.now(), monotonic() - begun, type(error).__name__)
        raise
    if run.failed:
        counts["failed"] = run.failed
    stores.sweeps.record_success(run.name, stores.accounts.now(), monotonic() - begun, counts)
    return SweepResult(counts, run.stopped)
