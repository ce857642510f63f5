"""Alert operators of accounts that have been throttled for long, and resend alerts whose message was lost."""

from functools import partial

from schedules.notify import resend_overdue
from schedules.run import Run
from willcall.usecases.alerts import alert_long_throttle, send_alert_delivery


def alerts(run: Run) -> dict[str, int]:
    """Send alerts about long throttles, and resend overdue alerts. Returns how many of each."""
    throttled = run.for_each_account(partial(alert_long_throttle, run.context))
    resent = resend_overdue(run, run.context.stores.ops_deliveries, send_alert_delivery)
    return {"throttled": throttled, "resent": resent}
