"""Report to an account what a response says about its health."""

from dataclasses import replace

import structlog

from willcall.orders.decision import AccountSignal, Decision
from willcall.orders.hints import throttled_until
from willcall.orders.model import Attention
from willcall.providers.base import Account
from willcall.stores.accounts import AccountHealth, AccountReport
from willcall.stores.polls import PollClaim
from willcall.usecases.alerts import account_alert, send_alert
from willcall.usecases.context import Context
from willcall.usecases.local_throttles import LocalThrottle

log = structlog.get_logger(__name__)

_ABOUT_THE_KEY = {AccountSignal.UNAUTHORIZED, AccountSignal.FORBIDDEN}


def report_attempt(
    context: Context, account: Account, claim: PollClaim, decision: Decision, *, why: str, now: float
) -> AccountHealth:
    """Report an attempt to its account and return the account's health, whatever else throttles or pauses it.

    If an order has credentials of its own user, their rejection, like any response, only says that the provider is up.
    """
    bound = decision.order.user_bound
    if bound and decision.signal in _ABOUT_THE_KEY:
        decision = replace(decision, signal=AccountSignal.ANSWERED)
    if confirms_health(claim, decision):
        return AccountHealth.OK
    known = decision.signal is AccountSignal.MALFORMED and claim.granted_order.attention is Attention.MALFORMED
    order_id = "" if known else decision.order.id
    report = AccountReport(decision.signal, order_id, claim.probe, decision.account_blocked_until, why, bound)
    if report.until is None or decision.signal is not AccountSignal.THROTTLED:
        health = _report(context, account, report)
        return AccountHealth.OK if bound and health is AccountHealth.UNAUTHORIZED else health
    return _report_throttle(context, context.throttles.record(account, report, report.until - now))


def confirms_health(claim: PollClaim, decision: Decision) -> bool:
    """Return whether a response says nothing new: a good one from an account that is healthy."""
    return decision.signal is AccountSignal.ANSWERED and claim.account_healthy


def report_throttle(
    context: Context, account: Account, retry_after: float | None, now: float, why: str | None = None
) -> None:
    """Throttle an account because of a 429 to a request that is no attempt, such as one for a list."""
    until = throttled_until(retry_after, now, account.polling.throttle_pause)
    report = AccountReport(AccountSignal.THROTTLED, "", probe=False, until=until, why=why or "429")
    _report_throttle(context, context.throttles.record(account, report, until - now))


def retry_throttle_report(context: Context, account: Account) -> None:
    """Report the 429s of the account's bucket again that could not be written to Redis when they were received."""
    for throttle in context.throttles.unreported(account.bucket):
        _report_throttle(context, throttle)


def _report_throttle(context: Context, throttle: LocalThrottle) -> AccountHealth:
    with throttle.reporting():
        return _report(context, throttle.account, throttle.report)


def _report(context: Context, account: Account, report: AccountReport) -> AccountHealth:
    alert = account_alert(context, account.key)
    changed = context.stores.accounts.report_health(account.key, account.bucket, report, account.probe_interval, alert)
    if changed.before is not changed.after:
        write = log.info if changed.after is AccountHealth.OK else log.warning
        write("account", account=account.key, was=changed.before.value, health=changed.after.value, why=report.why)
    if changed.alerted:
        send_alert(context, alert)
    return changed.after
