"""Orders whose alarm clock is lost, and orders whose account is well again, go on."""

from willcall.usecases.context import Context
from willcall.usecases.control import BATCH, release_held, send_probe

#: Overdue orders looked at per account and run; beyond that the workers are behind, and the next run goes on.
MOST = 100_000


def revive(context: Context) -> dict[str, int]:
    """Re-send overdue orders, release held ones. Returns how many of each."""
    resent = released = 0
    for account in context.stores.orders.accounts():
        resent += _resend(context, account)
        allowed = context.stores.accounts.wants_release(account)
        if allowed:
            released += release_held(context, account) if allowed < 0 else send_probe(context, account)
    return {"resent": resent, "released": released}


def _resend(context: Context, account: str) -> int:
    resent = 0
    for offset in range(0, MOST, BATCH):
        seen, messages = context.stores.orders.revive(account, context.settings.sweeps.grace, offset, BATCH)
        context.send(account, messages)
        resent += len(messages)
        if seen < BATCH:
            break
    return resent
