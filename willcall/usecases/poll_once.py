"""One attempt: claim, ask, fetch what the tickets point to, decide, settle."""

import time
from dataclasses import dataclass, replace
from secrets import token_hex

import structlog
from structlog.contextvars import bind_contextvars

from willcall.orders.model import Attention, Order
from willcall.orders.outcomes import Issued, Malformed, NotReady, PartlyIssued, with_hint
from willcall.orders.states import OPEN
from willcall.providers.base import Account
from willcall.stores.orders import PollClaim, PollMessage, PollVerdict
from willcall.usecases.ask import Asked, Permission, ask
from willcall.usecases.authorize import Busy
from willcall.usecases.context import Context
from willcall.usecases.documents import TASK, collect_issued
from willcall.usecases.failures import guarded
from willcall.usecases.inline_files import store_inline_files
from willcall.usecases.meters import Activity
from willcall.usecases.settle import claimed_order, put_off, settle_attempt, settle_expired, tell_again

log = structlog.get_logger(__name__)

#: Seconds beyond the longest exchange after which an attempt is taken for dead.
LEASE_MARGIN = 5.0
#: Seconds until an attempt that sent nothing is made again: until then Redis knows, or another worker has the token.
TOKEN_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class Polled:
    """What came of a poll message.

    `attempt`: which request about the order it made, from 1; None where the provider was not asked about it. `again`:
    the next message and the server's clock (epoch seconds), from which its countdown counts; None where the chain has
    ended or goes on by another message.
    """

    attempt: int | None = None
    again: tuple[PollMessage, float] | None = None


def poll_once(context: Context, order_id: str, seq: int, account_key: str) -> Polled:
    """Run one attempt of an order's chain."""
    account = context.accounts.get(account_key)
    if account is None:
        _orphaned(context, order_id, account_key)
        return Polled()
    lease = guarded(context, Activity.ATTEMPT, lambda: lease_seconds(account), order=order_id, account=account_key)
    if isinstance(lease, Malformed):  # the attempt itself will fail by the same mistake, which settles the order
        lease = 2 * account.http.total_timeout + LEASE_MARGIN
    claim_id, started = token_hex(6), time.monotonic()
    claim = context.stores.orders.claim(
        (order_id, seq), account_key, claim_id, lease, account.rate, minimum=account.polling.minimum
    )
    send_at = time.monotonic() + max(0.0, claim.send_at - claim.now)
    context.wake(account_key, claim.wakes)
    if claim.token_wait is not None:
        context.meters.waits_for_token(account_key, claim.token_wait)
    match claim.verdict:
        case PollVerdict.WAIT:
            return Polled(again=(PollMessage(order_id, seq, claim.until, token=True), claim.now))
        case PollVerdict.EXPIRE:
            settle_expired(context, claimed_order(claim), claim.now)
            return Polled()
        case PollVerdict.GO:
            pass
        case _:
            return Polled()
    attempt = claimed_order(claim).attempts + 1
    bind_contextvars(attempt=attempt)
    send_before = started + lease - account.http.total_timeout
    asked = _ask(context, account, claim, Permission(started, send_at, send_before, claim.override))
    now = claim.now + time.monotonic() - started
    if isinstance(asked, Busy):
        tell_again(context, account)
        message = put_off(context, claim, claim_id, now + TOKEN_WAIT)
    else:
        message = _settle(context, account, claim, claim_id, asked=asked, now=now)
    return Polled(
        attempt=None if isinstance(asked, Busy) else attempt,
        again=(message, claim.now + time.monotonic() - started) if message else None,
    )


def lease_seconds(account: Account) -> float:
    """How long an attempt may take before another worker may repeat it.

    It is a request for a token in each way of authenticating, and the status request.

    Never less than the minimum between two attempts, which a repeated one must keep as well.
    """
    exchanges = len(account.adapter.token_requests(account.credentials)) + 1
    return max(exchanges * account.http.total_timeout, account.polling.minimum) + LEASE_MARGIN


def _orphaned(context: Context, order_id: str, account_key: str) -> None:
    """An order whose account has left the config is not asked for, yet it ends at its deadline like any other."""
    log.error("no such account in the config", order=order_id, account=account_key)
    order, now = context.stores.orders.get(order_id), context.stores.accounts.now()
    if order and order.status in OPEN and order.deadline_at <= now:
        settle_expired(context, order, now)


def poll_later(context: Context, order_id: str, seq: int, seconds: float) -> Polled:
    """Have an order's message come back in `seconds`, as no thread is free for its provider."""
    now = context.stores.orders.defer(order_id, seq, seconds + context.settings.sweeps.grace)
    return Polled(again=(PollMessage(order_id, seq, now + seconds, token=True), now) if now is not None else None)


def _ask(context: Context, account: Account, claim: PollClaim, permission: Permission) -> Asked | Busy:
    """Ask about the claimed order; see `ask`. A mistake of ours is an answer that cannot be read."""
    order = claimed_order(claim)
    asked = guarded(
        context,
        Activity.ATTEMPT,
        lambda: ask(context, account, order, claim.now, permission),
        order=order.id,
        account=account.key,
    )
    return Asked(asked) if isinstance(asked, Malformed) else asked


def _settle(
    context: Context, account: Account, claim: PollClaim, claim_id: str, *, asked: Asked, now: float
) -> PollMessage | None:
    """Commit what an answer means: the next message of the chain.

    Where our code fails at that, the request was made all the same, so the order is settled as one whose answer cannot
    be read. If the answer had been written by then, the commit finds that and writes nothing.
    """
    settled = guarded(
        context,
        Activity.ATTEMPT,
        lambda: _collect_and_settle(context, account, claim, claim_id, asked=asked, now=now),
        order=claimed_order(claim).id,
        account=account.key,
    )
    if isinstance(settled, Malformed):
        unread = replace(asked, outcome=with_hint(settled, asked.outcome.retry_after))
        return settle_attempt(context, account, claim, claim_id, asked=unread, now=now)
    return settled


def _collect_and_settle(
    context: Context, account: Account, claim: PollClaim, claim_id: str, *, asked: Asked, now: float
) -> PollMessage | None:
    """Fetch what the tickets point to, and commit what the answer means."""
    order, outcome, fetch_in = claimed_order(claim), asked.outcome, None
    _warn(asked, order)
    context.implausible_hints.note_date(account.key, outcome.not_before, now)
    if isinstance(outcome, Issued | PartlyIssued):
        outcome = store_inline_files(context, order.id, claim_id, outcome)
    if isinstance(outcome, Issued | PartlyIssued):
        outcome, fetch_in = collect_issued(context, account, order, claim_id, outcome)
    asked = replace(asked, outcome=outcome)
    message = settle_attempt(context, account, claim, claim_id, asked=asked, now=now, fetch_in=fetch_in)
    if fetch_in is not None:
        context.sender.send_task(TASK, [order.id], fetch_in)
    return message


def _warn(asked: Asked, order: Order) -> None:
    """What a person may have to teach us, once: words we do not know, answers we cannot read."""
    outcome = asked.outcome
    new_word = isinstance(outcome, NotReady | PartlyIssued) and "unknown" in (outcome.detail or "")
    if (new_word and outcome.provider_status != order.provider_status) or (
        isinstance(outcome, Malformed) and order.attention is not Attention.MALFORMED
    ):
        log.warning(
            "odd answer", order=order.id, account=order.account_key, http=asked.http_status, detail=outcome.detail
        )
