"""Fetch documents whose scheduled message was lost, and prune the list of given-up documents."""

from schedules.run import BATCH, Run
from willcall.usecases.documents import TASK, prune_given_up


def documents(run: Run) -> dict[str, int]:
    """Resend overdue fetches. Returns how many."""
    context, resent = run.context, 0

    def look(offset: int) -> tuple[int, int]:
        nonlocal resent
        seen, order_ids = context.stores.fetches.resend_fetches(context.settings.sweeps.grace, offset, BATCH)
        for order_id in order_ids:
            context.sender.send_task(TASK, [order_id])
        resent += len(order_ids)
        return seen, 0

    run.each_batch(look, BATCH)
    run.each_batch(lambda offset: prune_given_up(context, offset, BATCH), BATCH)
    return {"resent": resent}
