"""Operators are told of what only the clock shows, and of what a lost message kept from them."""

from schedules.notify import resend_overdue
from willcall.usecases.alert import alert_long_throttle, send_notice_to_operators
from willcall.usecases.context import Context


def watch(context: Context) -> dict[str, int]:
    """Tell of accounts that are throttled for long, re-send overdue alerts. Returns how many of each."""
    throttled = sum(alert_long_throttle(context, account) for account in context.stores.orders.accounts())
    resent = resend_overdue(context, context.stores.ops_deliveries, send_notice_to_operators)
    return {"throttled": throttled, "resent": resent}
