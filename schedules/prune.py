"""Delete final orders, their documents and old events after their retention."""

from functools import partial

from schedules.run import BATCH, Run
from willcall.usecases.erase import finish_erasure


def prune(run: Run) -> dict[str, int]:
    """Delete what is older than its retention. Returns how much of each."""
    context = run.context
    retention, now = context.settings.retention, context.stores.accounts.now()
    orders = _orders(run, now)
    events = run.try_item("events", partial(context.stores.events.prune, now - retention.events))
    run.try_item("erased references", partial(context.stores.erasure.forget_references, now - retention.orders))
    _finish_erasures(run, now)
    run.try_item("credentials", partial(context.stores.credentials.prune, BATCH))
    return {"orders": orders, "events": events, "documents": _documents(run, now - retention.orders)}


def _finish_erasures(run: Run, now: float) -> None:
    """Remove what workers may have stored of orders while these were erased."""
    for order_id in run.context.stores.erasure.to_sweep(now, BATCH):
        if not run.may_continue():
            break
        run.try_item(order_id, partial(finish_erasure, run.context, order_id), order=order_id)


def _orders(run: Run, now: float) -> int:
    """Delete orders after the retention that their account has now, or else the general one. Returns how many."""
    context, removed = run.context, 0
    before = now - context.settings.retention.orders
    own = {key: now - account.retention for key, account in context.accounts.items() if account.retention}

    def look(offset: int) -> tuple[int, int]:
        nonlocal removed
        seen, gone, pruned = context.stores.orders.prune(before, BATCH, own=own, offset=offset)
        removed += pruned
        return seen, gone

    run.each_batch(look, BATCH)
    return removed


def _documents(run: Run, before: float) -> int:
    """Delete files of deleted orders and files that no order has claimed. Returns how many."""
    documents = run.context.documents
    while run.may_continue() and documents.orphan_unclaimed(before, BATCH) == BATCH:
        pass
    removed = 0
    while run.may_continue() and (orphaned := documents.orphaned(BATCH)):
        done = 0
        for document_id in orphaned:
            if not run.may_continue():
                break
            done += run.try_item(document_id, partial(documents.remove, document_id))
        removed += done
        if not done:  # what is left cannot be removed now
            break
    run.try_item("abandoned files", documents.remove_abandoned_drafts)
    return removed
