"""Orders end at their deadline though nobody claims them: of parked accounts, of removed ones, of dead workers."""

from functools import partial

from schedules.run import BATCH, Run
from willcall.stores.polls import LAST_ATTEMPT
from willcall.usecases.context import Context
from willcall.usecases.settle import settle_expired


def expire(run: Run) -> dict[str, int]:
    """Expire orders past their deadline that wait for their account, or that are overdue. Returns how many."""
    return {"expired": run.for_each_account(lambda account: _held(run, account) + _overdue(run, account))}


def _held(run: Run, account: str) -> int:
    """Expire those of an account; those that it cannot expire keep the others from nothing."""
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
    """Expire those of an account that nobody claims any more.

    Workers make one last attempt at the deadline. Where the account has left the configuration, nobody does.
    """
    configured = run.context.accounts.get(account)
    late_by = max(LAST_ATTEMPT, configured.polling.minimum) if configured else 0.0
    expired = 0

    def look(offset: int) -> tuple[int, int]:
        nonlocal expired
        now = run.context.stores.accounts.now()
        seen, overrun = run.context.stores.schedule.find_past_deadline(account, late_by, offset, BATCH)
        gone = [
            run.try_item(order_id, partial(_expire, run.context, account, order_id, now), order=order_id)
            for order_id in overrun
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
