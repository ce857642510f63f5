"""Final orders with their documents, and old events, go after their retention."""

from willcall.usecases.context import Context
from willcall.usecases.control import BATCH


def prune(context: Context) -> dict[str, int]:
    """Forget what is older than its retention. Returns how much."""
    retention = context.settings.retention
    now = context.stores.accounts.now()
    orders = 0
    while removed := context.stores.orders.prune(now - retention.orders, BATCH):
        orders += removed
    events = context.stores.events.prune(now - retention.events)
    return {"orders": orders, "events": events, "documents": context.documents.prune(now - retention.orders)}
