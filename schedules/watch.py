"""Poll fulfilled orders until their event, in case the provider cancels them."""

from functools import partial

from schedules.run import BATCH, Run
from willcall.orders.model import Status
from willcall.orders.watching import EVERY_ON_THE_LAST_DAY, next_watch_at
from willcall.providers.base import Account
from willcall.stores.accounts import AccountHealth
from willcall.stores.schedule import ExpediteOutcome, Requester
from willcall.usecases.context import Context
from willcall.usecases.orders import expedite_poll

#: The share of an account's rate that such polls may use, so that orders without tickets do not wait for them.
SHARE = 0.1
#: Outcomes after which no poll can change the order any more.
_CLOSED = frozenset({ExpediteOutcome.GONE, ExpediteOutcome.CLOSED})


def watch(run: Run) -> dict[str, int]:
    """Poll fulfilled orders whose next check is due, as many as their accounts can spare. Returns how many."""
    return {"polled": run.for_each_account(partial(_watch_account, run))}


def _watch_account(run: Run, key: str) -> int:
    """Poll orders of an account, unless it is stopped or others wait for its tokens."""
    context = run.context
    account = context.accounts.get(key)
    if account is None:
        return 0
    state = context.stores.accounts.state(key, account.rate)
    if state.health is not AccountHealth.OK or state.booked:
        return 0
    per_run = account.rate.limit / account.rate.period * context.settings.sweeps.watch
    polled, most = 0, max(1, int(per_run * SHARE))
    now = context.stores.accounts.now()
    while polled < most and run.may_continue() and (due := context.stores.schedule.watched(key, now, BATCH)):
        for order_id in due:
            if polled >= most or not run.may_continue():
                break
            poll = partial(_poll_if_due, context, account, order_id, now)
            polled += run.try_item(order_id, poll, back_off=False, order=order_id)
    return polled


def _poll_if_due(context: Context, account: Account, order_id: str, now: float) -> bool:
    """Poll a fulfilled order if its time has come, and schedule the next look at it. Returns whether it is polled."""
    schedule = context.stores.schedule
    # Scheduled again first, so that an order that fails goes to the end of the queue.
    schedule.watch(account.key, order_id, now + EVERY_ON_THE_LAST_DAY)
    order = context.stores.orders.get(order_id)
    at = next_watch_at(order, now) if order else None
    if order is None or at is None:
        schedule.stop_watching(account.key, order_id)
        return False
    if at > now:
        schedule.watch(account.key, order_id, at)
    if at > now or order.status is not Status.FULFILLED:
        return False
    outcome = expedite_poll(context, account, order_id, Requester.SWEEP).outcome
    if outcome in _CLOSED:
        schedule.stop_watching(account.key, order_id)
    return outcome is ExpediteOutcome.SENT
