"""Backends that are still to be told of an event, and whose message is lost, are told."""

from willcall.usecases.context import Context
from willcall.usecases.control import BATCH
from willcall.usecases.notify import send_notice

#: Overdue deliveries looked at per run; beyond that the workers are behind, and the next run goes on.
MOST = 100_000


def notify(context: Context) -> dict[str, int]:
    """Re-send the messages of overdue deliveries. Returns how many."""
    resent = 0
    for offset in range(0, MOST, BATCH):
        seen, notices = context.stores.deliveries.overdue(context.settings.sweeps.grace, offset, BATCH)
        for notice in notices:
            send_notice(context, notice)
        resent += len(notices)
        if seen < BATCH:
            break
    return {"resent": resent}
