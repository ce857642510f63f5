"""List orders anew that release 0.2.0 changed: it knows no lists by event and by change."""

from schedules.run import BATCH, Run
from willcall.orders.model import Status


def lists(run: Run) -> dict[str, int]:
    """Look at all orders. Returns how many had a wrong place in a list."""
    return {"relisted": run.for_each_account(lambda account: sum(_relist(run, account, each) for each in Status))}


def _relist(run: Run, account: str, status: Status) -> int:
    relisted = 0

    def look(offset: int) -> tuple[int, int]:
        nonlocal relisted
        seen, moved = run.context.stores.orders.relist(account, status, offset, BATCH)
        relisted += moved
        return seen, 0

    run.each_batch(look, BATCH)
    return relisted
