"""Deliver events whose message was lost."""

from collections.abc import Callable

from schedules.run import BATCH, Run
from willcall.stores.deliveries import DeliveryMessage, DeliveryStore
from willcall.usecases.context import Context
from willcall.usecases.deliveries import send_delivery


def notify(run: Run) -> dict[str, int]:
    """Resend the messages of overdue deliveries. Returns how many."""
    return {"resent": resend_overdue(run, run.context.stores.deliveries, send_delivery)}


def resend_overdue(run: Run, deliveries: DeliveryStore, send: Callable[[Context, DeliveryMessage], None]) -> int:
    """Resend the messages of overdue deliveries to backends or operators. Returns how many."""
    context, resent = run.context, 0

    def look(offset: int) -> tuple[int, int]:
        nonlocal resent
        seen, messages = deliveries.resend_deliveries(context.settings.sweeps.grace, offset, BATCH)
        for message in messages:
            send(context, message)
        resent += len(messages)
        return seen, 0

    run.each_batch(look, BATCH)
    return resent
