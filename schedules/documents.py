"""Documents whose alarm clock is lost are fetched all the same."""

from willcall.usecases.context import Context
from willcall.usecases.control import BATCH
from willcall.usecases.documents import TASK

#: Overdue orders looked at per run.
MOST = 10_000


def documents(context: Context) -> dict[str, int]:
    """Re-send overdue fetches. Returns how many."""
    resent = 0
    for offset in range(0, MOST, BATCH):
        seen, order_ids = context.stores.fetches.overdue(context.settings.sweeps.grace, offset, BATCH)
        for order_id in order_ids:
            context.sender.send_task(TASK, [order_id])
        resent += len(order_ids)
        if seen < BATCH:
            break
    return {"resent": resent}
