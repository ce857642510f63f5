"""Orders whose alarm clock is lost, and orders whose account is well again, go on."""

from schedules.run import Run
from willcall.usecases.control import BATCH, release_held, release_throttled, send_probe


def revive(run: Run) -> dict[str, int]:
    """Re-send overdue orders, release held ones. Returns how many of each."""
    resent = released = 0

    def account(key: str) -> int:
        nonlocal resent, released
        if key not in run.context.accounts:
            # A copy would be dropped, and the wait until the next one doubles: it would outlast the account's return.
            return 0
        resent += _resend(run, key)
        released += release_throttled(run.context, run.context.accounts[key], run.goes_on)
        allowed = run.context.stores.accounts.wants_release(key)
        if allowed:
            released += release_held(run.context, key, run.goes_on) if allowed < 0 else send_probe(run.context, key)
        return 0

    run.accounts(account)
    return {"resent": resent, "released": released}


def _resend(run: Run, account: str) -> int:
    context, resent = run.context, 0

    def look(offset: int) -> tuple[int, int]:
        nonlocal resent
        seen, messages = context.stores.orders.revive(account, context.settings.sweeps.grace, offset, BATCH)
        context.send(account, messages)
        resent += len(messages)
        return seen, 0

    run.batches(look, BATCH)
    return resent
