"""The orders: whether they are asked about in time, and which need a person."""

from typing import TYPE_CHECKING

from willcall.cli.doctor.findings import Finding, ok, warning, wrong
from willcall.orders.advice import TROUBLES
from willcall.orders.model import Attention, count_open
from willcall.views.accounts import refused_accounts
from willcall.views.formatting import format_count, format_duration

if TYPE_CHECKING:
    from willcall.cli.doctor.patient import Patient

#: Seconds by which an account's oldest order may be overdue before somebody should look, and before it is wrong.
#: Those that wait for their token are not: they are due when it is theirs.
LATE, TOO_LATE = 60.0, 300.0


def check(patient: "Patient") -> list[Finding]:
    """All orders that are still asked about."""
    stores, now, found = patient.stores, patient.now(), []
    grace = patient.config.settings.sweeps.grace
    accounts, waiting = sorted({*patient.config.accounts, *stores.orders.accounts()}), 0
    for account, tally in zip(accounts, stores.listing.summaries(accounts, now - grace), strict=True):
        waiting += count_open(tally.counts)
        late = now - tally.first_due if tally.first_due else 0.0
        if late >= max(LATE, grace):
            whose, how = (
                account,
                "Look at the workers and queues above; where they are well, they are too few: start more.",
            )
            if account not in patient.config.accounts:
                trouble = TROUBLES["forgotten"]
                whose, how = f"{account}, which {trouble.what},", trouble.mend(account)
            due = format_count(tally.backlog.due, "order")
            what = f"{due} of {whose} overdue, the oldest, {tally.first}, by {format_duration(late)}"
            found.append((wrong if late >= TOO_LATE else warning)(what, how))
    attention = stores.listing.attention_counts()
    refused = sum(
        attention.get((account, Attention.UNAUTHORIZED), 0)
        for account in refused_accounts(stores, patient.config.accounts)
    )
    if puzzling := sum(attention.values()) - refused:
        what = "1 order needs a person" if puzzling == 1 else f"{puzzling:,} orders need a person"
        if refused:
            what += f", beside {refused:,} of accounts that are refused"
        found.append(warning(what, "`willcall orders --attention` names them, and `willcall order ID` says why."))
    return found or [ok(f"{format_count(waiting, 'open order')}, none overdue")]
