"""Report to providers how orders ended, where accounts ask for it."""

from functools import partial

from schedules.run import BATCH, Run
from willcall.usecases.provider_reports import Reporter


def reports(run: Run) -> dict[str, int]:
    """Send the reports that are due. Returns how many were taken."""
    context, reporter = run.context, Reporter(run.context)
    order_ids = context.stores.reports.due(context.stores.accounts.now(), BATCH)
    taken = 0
    for order_id in order_ids:
        if not run.may_continue():
            break
        taken += run.try_item(order_id, partial(reporter.report, order_id), order=order_id)
    return {"reported": taken}
