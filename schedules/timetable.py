"""Which sweeps there are, and how one runs."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import structlog

from schedules.alerts import alerts
from schedules.documents import documents
from schedules.expire import expire
from schedules.inbox import inbox
from schedules.notify import notify
from schedules.polls import polls
from schedules.prune import prune
from schedules.reconcile import reconcile
from schedules.run import Run
from willcall.stores.connection import StoreError
from willcall.usecases.context import Context

log = structlog.get_logger(__name__)

#: Seconds after which a run that died no longer keeps the next one from working; one that is at work renews its lease.
LEASE = 15.0
#: Seconds after which a run begins nothing new, so that sweeps get their turns and a run ends before its message is
#: given to another worker: what was begun takes two exchanges with a provider at most.
BUDGET = 20.0
#: Seconds after which a lease is not renewed any more: a run that takes longer hangs.
LONGEST = 600.0

#: What each does, returning counts; `Sweeps.intervals` says how often.
SWEEPS: dict[str, Callable[[Run], dict[str, int]]] = {
    "polls": polls,
    "documents": documents,
    "notify": notify,
    "expire": expire,
    "reconcile": reconcile,
    "prune": prune,
    "inbox": inbox,
    "alerts": alerts,
}


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a run of a sweep did; `unfinished`: it stopped for lack of time, and the next one goes on there."""

    counts: Mapping[str, int]
    unfinished: bool


def run_sweep(context: Context, name: str, budget: float = BUDGET) -> dict[str, int] | None:
    """Run a sweep now; its counts, or None where a run of it is at work elsewhere."""
    swept = sweep_for(context, name, budget)
    return dict(swept.counts) if swept else None


def sweep_for(context: Context, name: str, budget: float) -> SweepResult | None:
    """Run a sweep for about `budget` seconds, and keep how it went; None where a run of it is at work elsewhere."""
    with context.stores.leases.hold(f"sweep:{name}", LEASE, max(LONGEST, budget)) as lease:
        if not lease:
            return None
        swept = _recorded(Run(context, name, monotonic() + budget, lease))
    if any(swept.counts.values()) or swept.unfinished:
        log.info("sweep", sweep=name, unfinished=swept.unfinished, **swept.counts)
    return swept


def _recorded(run: Run) -> SweepResult:
    stores, begun = run.context.stores, monotonic()
    try:
        counts = SWEEPS[run.name](run)
    except Exception as error:
        with suppress(StoreError):  # what ended the sweep says more than that Redis is away for this line too
            stores.sweeps.record_failure(run.name, stores.accounts.now(), monotonic() - begun, type(error).__name__)
        raise
    if run.failed:
        counts["failed"] = run.failed
    stores.sweeps.record_success(run.name, stores.accounts.now(), monotonic() - begun, counts)
    return SweepResult(counts, run.stopped)
