"""The way to backends and operators: whether they are told, and believe it."""
# ruff: noqa: PLC0415 - see cli.session

from typing import TYPE_CHECKING

from cli.doctor.findings import Finding, ok, unknown, warning, wrong
from cli.doctor.patient import TIMEOUT
from willcall.orders.callbacks import UNTOLD
from willcall.stores.connection import StoreError
from willcall.usecases.wording import counted, span

if TYPE_CHECKING:
    from cli.doctor.patient import Patient


def check(patient: "Patient") -> list[Finding]:
    """The secret, the operators' address, and the events that are still to be told."""
    notify, found = patient.config.settings.notify, []
    if notify.secret is None:
        how = "Set `notify.secret`, so that backends can tell ours from anybody's."
        found.append(warning("callbacks go out unsigned", how))
    if notify.ops_url:
        found += _reached(notify.ops_url)
    try:
        pending, now = patient.stores.deliveries.pending(), patient.now()
    except StoreError:  # what was found without it is worth no less
        return [*found, unknown("Redis is away")]
    if pending.oldest_at is not None and now - pending.oldest_at >= UNTOLD:
        oldest = f"the oldest, of {pending.oldest}, for {span(now - pending.oldest_at)}"
        what = f"{counted(pending.count, 'event')} undelivered, {oldest}"
        how = (
            f"`willcall order {pending.oldest}` shows what its backend answers, `willcall redeliver {pending.oldest}` "
            "tells it again at once. `willcall orders --untold` lists all such orders."
        )
        found.append(warning(what, how))
    operators = "can be reached" if notify.ops_url else "are not told, as `notify.ops_url` is not set"
    return found or [ok(f"{counted(pending.count, 'event')} on the way; operators {operators}")]


def _reached(url: str) -> list[Finding]:
    from willcall.outbound.guard import Guard
    from willcall.outbound.transport import Limits, Outbound

    # The guard is for URLs of others; this one is the configuration's own.
    limits = Limits(connect_timeout=TIMEOUT / 2, total_timeout=TIMEOUT)
    failure = Outbound(Guard(())).reach(url, limits)
    if failure is None:
        return []
    how = "Start what listens there, or correct `notify.ops_url`."
    return [wrong(f"the operators' address cannot be reached: {failure.why}", how)]
