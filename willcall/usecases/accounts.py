"""Pause and resume accounts, and release the orders that waited for them."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from willcall.orders.history import Action, Actor
from willcall.orders.model import count_open
from willcall.providers.base import Account
from willcall.stores.accounts import PauseResult, Releasable, ResumeOutcome
from willcall.stores.schedule import ProbeResult
from willcall.usecases.alerts import account_alert, send_alert
from willcall.usecases.context import Context
from willcall.usecases.history import record_action

log = structlog.get_logger(__name__)

#: How many orders one call to the store releases.
BATCH = 500


def pause(
    context: Context, account: Account, seconds: float | None, actor: Actor, reason: str | None = None
) -> PauseResult:
    """Send nothing to an account for `seconds`, or until it is resumed. A longer pause remains."""
    until = None if seconds is None else context.stores.accounts.now() + seconds
    paused = context.stores.accounts.pause(account.key, until)
    how_long = f"for {seconds:,.0f} s" if seconds else "until it is resumed"
    detail = f"{how_long}; {reason}" if reason else how_long
    record_action(context, Action.PAUSED, actor, detail, account=account.key)
    log.info("paused", account=account.key, seconds=seconds, longer=paused.already_longer, by=actor.name)
    return paused


def resume(context: Context, account: Account, actor: Actor, *, override: bool = False) -> ResumeOutcome:
    """End a pause and release the account's orders. An account that is rejected or down is probed with one order.

    The provider's hint remains valid; with `override` it ends too, for every order that has it, also of the accounts
    that share the rate.
    """
    alert, sharing = account_alert(context, account.key), _sharing(context, account)
    result = context.stores.accounts.resume(
        account.key, account.bucket, alert, now=override, sharing=[other.key for other in sharing]
    )
    if override:
        context.stores.oauth.allow(account.key)
        for each in (account, *sharing):
            context.stores.accounts.allow_list(each.key)
    if result.alerted:
        send_alert(context, alert)
    releasable = context.stores.accounts.releasable(account.key)
    # Released before the probe is chosen, which may be one of them.
    released = sum(release_throttled(context, each) for each in (account, *sharing)) if override else 0
    waiting, probe = None, ProbeResult()
    if releasable is not Releasable.ALL:
        probe = _probe(context, account)
        released += int(probe.message is not None)
        waiting = count_open(context.stores.listing.counts(account.key))
    else:
        released += release_held(context, account.key)
    until = result.until or probe.hint_until or _token_wait(context, account)
    detail = "the provider's Retry-After is ignored" if override else ""
    record_action(context, Action.RESUMED, actor, detail, account=account.key)
    log.info("resumed", account=account.key, released=released, throttle_ended=override, by=actor.name)
    return replace(result, released=released, probing=waiting, until=until)


def use_new_credentials(context: Context, before: Mapping[str, Account]) -> None:
    """Discard access tokens of earlier credentials, and probe accounts now whose earlier ones were rejected.

    `before` are the accounts of the earlier configuration. Every worker does this, because until the last of them has
    the new credentials, a probe may still be sent with the earlier ones.
    """
    for key, account in context.accounts.items():
        if key not in before or before[key].credentials == account.credentials:
            continue
        context.stores.oauth.discard(key)
        probing = context.stores.accounts.probe_rejected(key) and _probe(context, account).message is not None
        log.info("credentials changed", account=key, probing=probing)


def release_held(context: Context, account_key: str, may_continue: Callable[[], bool] = lambda: True) -> int:
    """Release all orders that wait for their account, one batch at a time. Returns how many."""
    account = context.accounts.get(account_key)
    released = 0
    while account and may_continue():
        messages = context.stores.schedule.release_held(account_key, BATCH, account.polling.minimum)
        if not messages:
            break
        context.send_polls(account_key, messages)
        released += len(messages)
    return released


def release_throttled(context: Context, account: Account, may_continue: Callable[[], bool] = lambda: True) -> int:
    """Bring forward the orders of a throttle that an operator has ended, one batch at a time. Returns how many."""
    released, more = 0, True
    while more and may_continue():
        more, moved = context.stores.schedule.release_throttled(
            account.key, account.bucket, BATCH, account.polling.minimum
        )
        context.send_expedited(moved)
        released += len(moved)
    return released


def send_probe(context: Context, account_key: str) -> int:
    """Poll one order of an account that is rejected or down, if a probe is due. Returns how many orders were sent."""
    account = context.accounts.get(account_key)
    return int(account is not None and _probe(context, account).message is not None)


def _sharing(context: Context, account: Account) -> list[Account]:
    """Return the other accounts that share the account's bucket."""
    return [other for other in context.accounts.values() if other.bucket == account.bucket and other.key != account.key]


def _probe(context: Context, account: Account) -> ProbeResult:
    probe = context.stores.schedule.release_probe(account.key, account.bucket, account.polling.minimum)
    context.send_polls(account.key, [probe.message] if probe.message else [])
    return probe


def _token_wait(context: Context, account: Account) -> float | None:
    """Return until when the token endpoint asked us to wait, if there is no token to continue with."""
    oauth = context.stores.oauth
    wait = oauth.postponed_for(account.key)
    return context.stores.accounts.now() + wait if wait and oauth.get(account.key) is None else None
