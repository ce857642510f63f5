"""Callbacks, alerts and reports: whether backends, operators and providers are notified, and can verify that."""

from willcall.cli.doctor.context import CHECK_TIMEOUT, CheckContext
from willcall.cli.doctor.findings import Finding, error, ok, unknown, warning
from willcall.http.address_guard import AddressGuard
from willcall.http.messages import HttpLimits
from willcall.http.outbound import OutboundClient
from willcall.http.routes import Route
from willcall.orders.callbacks import CALLBACK_LATE_AFTER
from willcall.orders.troubles import SYSTEM_TROUBLES
from willcall.stores.connection import StoreError
from willcall.stores.pending import PendingSummary
from willcall.views.backends import RefusingBackend, refusing_backends
from willcall.views.formatting import format_count, format_duration, format_timestamp
from willcall.views.overdue import PendingAlerts, pending_alerts

#: Seconds after which a report that its provider has not taken is a finding.
REPORT_LATE_AFTER = 3_600.0


def check_callbacks(context: CheckContext) -> list[Finding]:
    """Check the secret, the operators' address, and the events that are not delivered yet."""
    notify, found = context.config.settings.notify, []
    if not context.config.settings.signs_callbacks:
        fix = "Set `notify.secret`, so that backends can verify that callbacks come from you."
        found.append(warning("callbacks are not signed", fix))
    if notify.ops_url:
        found += _check_connection(notify.ops_url, context.config.settings.outbound.route)
    try:
        stores, now = context.stores, context.now()
        callbacks, alerts = stores.deliveries.pending(), pending_alerts(stores, now)
        reports, refusing = stores.reports.pending(), refusing_backends(stores)
    except StoreError:  # report what was found without Redis
        return [*found, unknown("Redis is unreachable")]
    found += [_callbacks_refused(backend, now) for backend in refusing]
    if not refusing and callbacks.waited(now) >= CALLBACK_LATE_AFTER:
        found.append(_callbacks_late(callbacks, now))
    if alerts and alerts.late:
        found.append(_alerts_late(alerts, now))
    if reports.waited(now) >= REPORT_LATE_AFTER:
        found.append(_reports_late(reports, now))
    return found or [
        ok(f"{format_count(callbacks.count, 'callback')} pending; {_describe_alerts(notify.ops_url, alerts)}")
    ]


def _callbacks_late(pending: PendingSummary, now: float) -> Finding:
    waited = format_duration(pending.waited(now))
    fix = f"{SYSTEM_TROUBLES['callbacks_late'].remedy} `willcall redeliver {pending.oldest}` retries now."
    count = format_count(pending.count, "callback")
    message = f"{count} not delivered; the oldest, of {pending.oldest}, for {waited}"
    return warning(message, fix, ("workers",))


def _callbacks_refused(backend: RefusingBackend, now: float) -> Finding:
    orders, waited = format_count(backend.count, "order"), format_duration(now - backend.since)
    message = f"callbacks are refused by {backend.host} (HTTP {backend.http_status}): {orders}, for {waited}"
    return error(message, SYSTEM_TROUBLES["callbacks_refused"].remedy)


def _reports_late(pending: PendingSummary, now: float) -> Finding:
    count, waited = format_count(pending.count, "report"), format_duration(pending.waited(now))
    fix = f"`willcall order {pending.oldest}` shows why. A report is repeated for three days."
    return warning(f"{count} not taken by providers; the oldest, of {pending.oldest}, for {waited}", fix)


def _alerts_late(alerts: PendingAlerts, now: float) -> Finding:
    waited, since = format_duration(now - alerts.since), format_timestamp(alerts.since)
    message = (
        f"{format_count(alerts.count, 'alert')} not delivered; "
        f"the oldest, of {alerts.subject}, for {waited}, since {since}; {alerts.answered}"
    )
    return warning(message, SYSTEM_TROUBLES["alerts_late"].remedy, ("workers",))


def _describe_alerts(url: str | None, alerts: PendingAlerts | None) -> str:
    if alerts:
        return f"{format_count(alerts.count, 'alert')} pending, {alerts.answered}"
    return "operators can be reached" if url else "operators get no alerts, as `notify.ops_url` is not set"


def _check_connection(url: str, route: Route) -> list[Finding]:
    # The guard is for URLs of others; this one is from the configuration.
    limits = HttpLimits(connect_timeout=CHECK_TIMEOUT / 2, total_timeout=CHECK_TIMEOUT)
    failure = OutboundClient(AddressGuard(()), route=route).check_connection(url, limits)
    if failure is None:
        return []
    return [error(f"cannot connect to `notify.ops_url`: {failure.why}", "Start the server there, or correct the URL.")]
