"""Delete final orders, their documents and old events after their retention."""

from functools import partial

from schedules.run import BATCH, Run


def prune(run: Run) -> dict[str, int]:
    """Delete what is older than its retention. Returns how much of each."""
    context = run.context
    retention, now = context.settings.retention, context.stores.accounts.now()
    orders = _orders(run, now - retention.orders)
    events = run.try_item("events", partial(context.stores.events.prune, now - retention.events))
    return {"orders": orders, "events": events, "documents": _documents(run, now - retention.orders)}


def _orders(run: Run, before: float) -> int:
    """Delete orders that ended before a moment. Returns how many."""
    removed = 0

    def look(_: int) -> tuple[int, int]:
        nonlocal removed
        seen, gone = run.context.stores.orders.prune(before, BATCH)
        removed += gone
        return seen, seen

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
