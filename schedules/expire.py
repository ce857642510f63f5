"""Expire orders at their deadline that no worker claims, such as those of stopped or removed accounts."""

from functools import partial

from schedules.run import BATCH, Run
from willcall.stores.polls import LAST_ATTEMPT
from willcall.usecases.context import Context
from willcall.usecases.settle import settle_expired


def expire(run: Run) -> dict[str, int]:
    """Expire orders past their deadline that are held or overdue. Returns how many."""
    return {"expired": run.for_each_account(lambda account: _held(run, account) + _overdue(run, account))}


def _held(run: Run, account: str) -> int:
    """Expire held orders of an account. One that fails does not block the others."""
    expired = 0

    def look(offset: int) -> tuple[int, int]:
        nonlocal expired
        now = run.context.stores.accounts.now()
        late = run.context.stores.schedule.held_past_deadline(account, now, offset, BATCH)
        gone = [
            run.try_item(order_id, partial(_expire, run.context, account, order_id, now), order=order_id)
            for order_id in late
        ]
        expired += sum(gone)
        return len(late), sum(gone)

    run.each_batch(look, BATCH)
    return expired


def _overdue(run: Run, account: str) -> int:
    """Expire orders of an account that no worker claims.

    Workers make one last attempt at the deadline, but not for an account that is no longer configured.
    """
    configured = run.context.accounts.get(account)
    late_by = max(LAST_ATTEMPT, configured.polling.minimum) if configured else 0.0
    expired = 0

    def look(offset: int) -> tuple[int, int]:
        nonlocal expired
        now = run.context.stores.accounts.now()
        seen, past_deadline = run.context.stores.schedule.find_past_deadline(account, late_by, offset, BATCH)
        gone = [
            run.try_item(order_id, partial(_expire, run.context, account, order_id, now), order=order_id)
            for order_id in past_deadline
        ]
        expired += sum(gone)
        return seen, sum(gone)

    run.each_batch(look, BATCH)
    return expired


def _expire(context: Context, account: str, order_id: str, now: float) -> bool:
    order = context.stores.orders.get(order_id)
    if order is None:
        context.stores.schedule.remove_held(account, order_id)
        return False
    return settle_expired(context, order, now)
