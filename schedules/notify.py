"""Backends that are still to be told of an event, and whose message is lost, are told."""

from collections.abc import Callable

from schedules.run import BATCH, Run
from willcall.stores.deliveries import DeliveryMessage, DeliveryStore
from willcall.usecases.context import Context
from willcall.usecases.deliveries import send_delivery


def notify(run: Run) -> dict[str, int]:
    """Re-send the messages of overdue deliveries. Returns how many."""
    return {"resent": resend_overdue(run, run.context.stores.deliveries, send_delivery)}


def resend_overdue(run: Run, deliveries: DeliveryStore, send: Callable[[Context, DeliveryMessage], None]) -> int:
    """Send the messages of overdue deliveries again; how many it were."""
    context, resent = run.context, 0

    def look(offset: int) -> tuple[int, int]:
        nonlocal resent
        seen, notices = deliveries.resend_deliveries(context.settings.sweeps.grace, offset, BATCH)
        for notice in notices:
            send(context, notice)
        resent += len(notices)
        return seen, 0

    run.each_batch(look, BATCH)
    return resent
