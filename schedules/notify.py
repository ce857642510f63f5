"""Backends that are still to be told of an event, and whose message is lost, are told."""

from collections.abc import Callable

from willcall.stores.deliveries import DeliveryStore, Notice
from willcall.usecases.context import Context
from willcall.usecases.control import BATCH
from willcall.usecases.notify import send_notice

#: Overdue deliveries looked at per run; beyond that the workers are behind, and the next run goes on.
MOST = 100_000


def notify(context: Context) -> dict[str, int]:
    """Re-send the messages of overdue deliveries. Returns how many."""
    return {"resent": resend_overdue(context, context.stores.deliveries, send_notice)}


def resend_overdue(context: Context, deliveries: DeliveryStore, send: Callable[[Context, Notice], None]) -> int:
    """Send the messages of overdue deliveries again; how many it were."""
    resent = 0
    for offset in range(0, MOST, BATCH):
        seen, notices = deliveries.overdue(context.settings.sweeps.grace, offset, BATCH)
        for notice in notices:
            send(context, notice)
        resent += len(notices)
        if seen < BATCH:
            break
    return resent
