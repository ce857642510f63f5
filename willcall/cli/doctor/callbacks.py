"""The way to backends and operators: whether they are told, and believe it."""
# ruff: noqa: PLC0415 - see cli.session

from typing import TYPE_CHECKING

from willcall.cli.doctor.findings import Finding, ok, unknown, warning, wrong
from willcall.cli.doctor.patient import TIMEOUT
from willcall.orders.callbacks import CALLBACK_LATE_AFTER
from willcall.stores.connection import StoreError
from willcall.views.formatting import format_count, format_duration, format_timestamp
from willcall.views.overdue import pending_alerts

if TYPE_CHECKING:
    from willcall.cli.doctor.patient import Patient
    from willcall.views.overdue import PendingAlerts


def check(patient: "Patient") -> list[Finding]:
    """The secret, the operators' address, and the events that are still to be told."""
    notify, found = patient.config.settings.notify, []
    if notify.secret is None:
        how = "Set `notify.secret`, so that backends can tell ours from anybody's."
        found.append(warning("callbacks go out unsigned", how))
    if notify.ops_url:
        found += _reached(notify.ops_url)
    try:
        stores, now = patient.stores, patient.now()
        pending, operators = stores.deliveries.pending(), pending_alerts(stores, now)
    except StoreError:  # what was found without it is worth no less
        return [*found, unknown("Redis is away")]
    waited = pending.waited(now)
    if waited >= CALLBACK_LATE_AFTER:
        oldest = f"the oldest, of {pending.oldest}, for {format_duration(waited)}"
        what = f"{format_count(pending.count, 'event')} undelivered, {oldest}"
        how = (
            f"`willcall order {pending.oldest}` shows what its backend answers, `willcall redeliver {pending.oldest}` "
            "tells it again at once. `willcall orders --undelivered` lists all such orders."
        )
        found.append(warning(what, how))
    if operators and operators.late:
        found.append(_untold(operators, now))
    return found or [ok(f"{format_count(pending.count, 'event')} on the way; {_told(notify.ops_url, operators)}")]


def _untold(operators: "PendingAlerts", now: float) -> Finding:
    waited = f"{format_duration(now - operators.since)}, since {format_timestamp(operators.since)}"
    oldest = f"the oldest, of {operators.subject}, for {waited}"
    what = f"{format_count(operators.count, 'event')} for operators undelivered, {oldest}; {operators.answered}"
    how = "Mend what listens at `notify.ops_url`, or correct it; operators are told by themselves then, for three days."
    return warning(what, how)


def _told(url: str | None, operators: "PendingAlerts | None") -> str:
    """How it is with operators while nothing is wrong."""
    if operators:
        return f"{operators.count:,} for operators, {operators.answered}"
    return "operators can be reached" if url else "operators are not told, as `notify.ops_url` is not set"


def _reached(url: str) -> list[Finding]:
    from willcall.http.address_guard import AddressGuard
    from willcall.http.messages import HttpLimits
    from willcall.http.outbound import OutboundClient

    # The guard is for URLs of others; this one is the configuration's own.
    limits = HttpLimits(connect_timeout=TIMEOUT / 2, total_timeout=TIMEOUT)
    failure = OutboundClient(AddressGuard(())).check_connection(url, limits)
    if failure is None:
        return []
    how = "Start what listens there, or correct `notify.ops_url`."
    return [wrong(f"the operators' address cannot be reached: {failure.why}", how)]
