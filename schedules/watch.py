"""Operators are told of what only the clock shows, and of what a lost message kept from them."""

from functools import partial

from schedules.notify import resend_overdue
from schedules.run import Run
from willcall.usecases.alert import alert_long_throttle, send_notice_to_operators


def watch(run: Run) -> dict[str, int]:
    """Tell of accounts that are throttled for long, re-send overdue alerts. Returns how many of each."""
    throttled = run.accounts(partial(alert_long_throttle, run.context))
    resent = resend_overdue(run, run.context.stores.ops_deliveries, send_notice_to_operators)
    return {"throttled": throttled, "resent": resent}
