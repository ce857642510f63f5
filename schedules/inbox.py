"""Complete what a process left undone that died: apply pushes that arrived before their order, finish checkouts."""

from functools import partial

from schedules.run import BATCH, Run
from willcall.stores.inbox import place_of
from willcall.usecases.apply_pushes import apply_inbox_if_submitted
from willcall.usecases.checkouts import finish_checkout
from willcall.usecases.context import Context


def inbox(run: Run) -> dict[str, int]:
    """Apply stored pushes whose order was submitted, and submit orders of checkouts. Returns how many of each."""
    places = run.rotate(run.context.stores.inbox.places())
    applied = sum(run.try_item(place, partial(_apply, run.context, place)) for place in places)
    return {"applied": applied, "submitted": _finish_checkouts(run)}


def _apply(context: Context, place: str) -> int:
    return apply_inbox_if_submitted(context, *place_of(place))


def _finish_checkouts(run: Run) -> int:
    checkouts, submitted = run.context.stores.checkouts, 0
    now = run.context.stores.accounts.now()

    def look(offset: int) -> tuple[int, int]:
        nonlocal submitted
        order_ids = checkouts.unfinished(now, offset, BATCH)
        done = [
            run.try_item(order_id, partial(finish_checkout, run.context, order_id), order=order_id)
            for order_id in order_ids
        ]
        submitted += sum(done)
        return len(order_ids), sum(done)

    run.each_batch(look, BATCH)
    return submitted
