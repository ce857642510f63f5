"""Operators are told of what only the clock shows, and of what a lost message kept from them."""

from functools import partial

from schedules.notify import resend_overdue
from schedules.run import Run
from willcall.usecases.alerts import alert_long_throttle, send_alert_delivery


def alerts(run: Run) -> dict[str, int]:
    """Tell of accounts that are throttled for long, re-send overdue alerts. Returns how many of each."""
    throttled = run.for_each_account(partial(alert_long_throttle, run.context))
    resent = resend_overdue(run, run.context.stores.ops_deliveries, send_alert_delivery)
    return {"throttled": throttled, "resent": resent}
