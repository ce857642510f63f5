"""Resend polls whose scheduled message was lost, and release orders whose account has recovered."""

from schedules.run import BATCH, Run
from willcall.stores.accounts import Releasable
from willcall.usecases.accounts import release_held, release_throttled, send_probe


def polls(run: Run) -> dict[str, int]:
    """Resend overdue polls and release held orders. Returns how many of each."""
    resent = released = 0

    def account(key: str) -> int:
        nonlocal resent, released
        if key not in run.context.accounts:
            # A worker would drop the message. As each resend doubles the wait until the next one, the order would not
            # be polled soon after the account is configured again.
            return 0
        resent += _resend(run, key)
        released += release_throttled(run.context, run.context.accounts[key], run.may_continue)
        match run.context.stores.accounts.releasable(key):
            case Releasable.PROBE:
                released += send_probe(run.context, key)
            case Releasable.ALL:
                released += release_held(run.context, key, run.may_continue)
        return 0

    run.for_each_account(account)
    return {"resent": resent, "released": released}


def _resend(run: Run, account: str) -> int:
    context, resent = run.context, 0

    def look(offset: int) -> tuple[int, int]:
        nonlocal resent
        seen, messages = context.stores.schedule.resend_polls(account, context.settings.sweeps.grace, offset, BATCH)
        context.send_polls(account, messages)
        resent += len(messages)
        return seen, 0

    run.each_batch(look, BATCH)
    return resent
