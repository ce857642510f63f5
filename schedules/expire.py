"""Orders that reach their deadline while their account is parked or paused expire too."""

from functools import partial

from schedules.run import Run
from willcall.usecases.context import Context
from willcall.usecases.control import BATCH
from willcall.usecases.settle import settle_expired


def expire(run: Run) -> dict[str, int]:
    """Expire held orders past their deadline. Returns how many."""
    return {"expired": run.accounts(partial(_held, run))}


def _held(run: Run, account: str) -> int:
    """Expire those of an account; those that it cannot expire keep the others from nothing."""
    expired = 0

    def look(offset: int) -> tuple[int, int]:
        nonlocal expired
        now = run.context.stores.accounts.now()
        late = run.context.stores.orders.held_past_deadline(account, now, offset, BATCH)
        gone = [
            run.attempt(order_id, partial(_expire, run.context, account, order_id, now), order=order_id)
            for order_id in late
        ]
        expired += sum(gone)
        return len(late), sum(gone)

    run.batches(look, BATCH)
    return expired


def _expire(context: Context, account: str, order_id: str, now: float) -> bool:
    order = context.stores.orders.get(order_id)
    if order is None:
        context.stores.orders.drop_held(account, order_id)
        return False
    return settle_expired(context, order, now)
