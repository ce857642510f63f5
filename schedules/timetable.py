"""Which sweeps there are, and how one runs."""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import structlog

from schedules.documents import documents
from schedules.expire import expire
from schedules.inbox import inbox
from schedules.notify import notify
from schedules.prune import prune
from schedules.reconcile import reconcile
from schedules.revive import revive
from schedules.watch import watch
from willcall.stores.connection import StoreError
from willcall.usecases.context import Context

log = structlog.get_logger(__name__)

#: Seconds after which a run that died no longer keeps the next one from working. A run that takes longer may meet
#: the next one: that costs work, but harms nothing, for every step of a sweep is atomic and may be repeated.
LEASE = 15.0


#: What each does, returning counts; `Sweeps.intervals` says how often.
SWEEPS: dict[str, Callable[[Context], dict[str, int]]] = {
    "revive": revive,
    "documents": documents,
    "notify": notify,
    "expire": expire,
    "reconcile": reconcile,
    "prune": prune,
    "inbox": inbox,
    "watch": watch,
}


def run_sweep(context: Context, name: str) -> dict[str, int] | None:
    """Run a sweep now, and keep how it went; its counts, or None where a run of it is at work elsewhere."""
    with context.stores.leases.held(f"sweep:{name}", LEASE) as ours:
        if not ours:
            return None
        counts = _recorded(context, name)
    if any(counts.values()):
        log.info("sweep", sweep=name, **counts)
    return counts


def _recorded(context: Context, name: str) -> dict[str, int]:
    stores, begun = context.stores, monotonic()
    try:
        counts = SWEEPS[name](context)
    except Exception as error:
        with suppress(StoreError):  # what ended the sweep says more than that Redis is away for this line too
            stores.sweeps.failed(name, stores.accounts.now(), monotonic() - begun, type(error).__name__)
        raise
    stores.sweeps.ran(name, stores.accounts.now(), monotonic() - begun, counts)
    return counts
