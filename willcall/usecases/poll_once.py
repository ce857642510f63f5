"""One attempt: claim, poll, download documents, decide, settle."""

import time
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_hex

import structlog
from structlog.contextvars import bind_contextvars

from willcall.orders.model import OPEN, Attention, Order
from willcall.orders.outcomes import Issued, Malformed, Missing, NotReady, PartlyIssued, extend_retry_after
from willcall.providers.base import Account
from willcall.stores.messages import PollMessage
from willcall.stores.polls import PollClaim, PollVerdict
from willcall.usecases.account_reports import retry_throttle_report
from willcall.usecases.ask import SendWindow, StatusResult, ask, read_transcript
from willcall.usecases.authorize import RetrySoon
from willcall.usecases.context import Context
from willcall.usecases.credentials import NO_CREDENTIALS, account_of
from willcall.usecases.documents import TASK, download_issued
from willcall.usecases.failures import guarded
from willcall.usecases.inline_files import store_inline_files
from willcall.usecases.ports import Operation
from willcall.usecases.settle import postpone_attempt, settle_attempt, settle_expired

log = structlog.get_logger(__name__)

#: Seconds beyond the longest exchange after which an attempt counts as dead.
LEASE_MARGIN = 5.0
#: Seconds until an attempt that sent nothing is repeated. By then Redis knows of the 429, or the token is there.
TOKEN_WAIT = 1.0
#: Seconds for which an attempt settles other orders with its response; then its own message must be sent.
_SHARING_TIME = 10.0


@dataclass(frozen=True, slots=True)
class PollResult:
    """The result of a poll message.

    `attempt`: the number of the request that was made about the order, from 1, or None if none was made.
    `next_message`: the next message of the chain, and the server's time (epoch seconds) from which its countdown
    counts; None if the chain has ended or continues by another message.
    """

    attempt: int | None = None
    next_message: tuple[PollMessage, float] | None = None


def poll_once(context: Context, order_id: str, seq: int, account_key: str) -> PollResult:
    """Run one attempt of an order's chain."""
    account = context.accounts.get(account_key)
    if account is None:
        _expire_unconfigured(context, order_id, account_key)
        return PollResult()
    lease = guarded(context, Operation.ATTEMPT, lambda: lease_seconds(account), order=order_id, account=account_key)
    if isinstance(lease, Malformed):  # the attempt fails by the same bug, which settles the order
        lease = 2 * account.http.total_timeout + LEASE_MARGIN
    claim_id, started = token_hex(6), time.monotonic()
    claim = context.stores.polls.claim(
        (order_id, seq),
        account_key,
        claim_id,
        lease,
        account.rate,
        minimum=account.polling.minimum,
        interval_scope=account.interval_scope,
    )
    send_at = time.monotonic() + max(0.0, claim.send_at - claim.now)
    context.send_expedited(claim.reschedules)
    if claim.token_wait is not None:
        context.meters.observe_token_wait(account_key, claim.token_wait)
    match claim.verdict:
        case PollVerdict.WAIT:
            return PollResult(next_message=(PollMessage(order_id, seq, claim.until, has_slot=True), claim.now))
        case PollVerdict.EXPIRE:
            settle_expired(context, claim.granted_order, claim.now)
            return PollResult()
        case PollVerdict.GO:
            pass
        case _:
            return PollResult()
    attempt = claim.granted_order.attempts + 1
    bind_contextvars(attempt=attempt)
    send_before = started + lease - account.http.total_timeout
    used = account_of(context, account, claim.granted_order)
    extend_lease = partial(context.stores.polls.extend_lease, order_id, claim_id)
    window = SendWindow(started, send_at, send_before, claim.override, extend_lease)
    result = _ask(context, used, claim, window) if used else StatusResult(NO_CREDENTIALS, asked=False)
    now = claim.now + time.monotonic() - started
    if isinstance(result, RetrySoon):
        retry_throttle_report(context, account)
        message = postpone_attempt(context, claim, claim_id, now + TOKEN_WAIT)
    else:
        message = _settle(context, used or account, claim, claim_id, result=result, now=now)
        _share_answer(context, used or account, claim.granted_order, result, lease)
    return PollResult(
        attempt=None if isinstance(result, RetrySoon) else attempt,
        next_message=(message, claim.now + time.monotonic() - started) if message else None,
    )


def lease_seconds(account: Account) -> float:
    """Return the seconds after which another worker may repeat an attempt.

    An attempt takes a token request for each way of authenticating and the status request. With the default timeout of
    20 s and one way of authenticating the lease is 2 x 20 + 5 = 45 s. It is never less than the minimum interval, as a
    repeated attempt must keep that too.
    """
    exchanges = len(account.token_requests()) + 1
    return max(exchanges * account.http.total_timeout, account.polling.minimum) + LEASE_MARGIN


def _expire_unconfigured(context: Context, order_id: str, account_key: str) -> None:
    """Expire an order without a configured account at its deadline; until then it is not polled."""
    log.error("account not configured", order=order_id, account=account_key)
    order, now = context.stores.orders.get(order_id), context.stores.accounts.now()
    if order and order.status in OPEN and order.deadline_at <= now:
        settle_expired(context, order, now)


def postpone_poll(context: Context, order_id: str, seq: int, seconds: float) -> PollResult:
    """Postpone an order's message by `seconds` because no thread is free for its provider."""
    now = context.stores.polls.postpone_resend(order_id, seq, seconds + context.settings.sweeps.grace)
    if now is None:
        return PollResult()
    return PollResult(next_message=(PollMessage(order_id, seq, now + seconds, has_slot=True), now))


def _ask(context: Context, account: Account, claim: PollClaim, window: SendWindow) -> StatusResult | RetrySoon:
    """Poll the claimed order. A bug counts as a response that cannot be read."""
    order = claim.granted_order
    result = guarded(
        context,
        Operation.ATTEMPT,
        lambda: ask(context, account, order, claim.now, window),
        order=order.id,
        account=account.key,
    )
    return StatusResult(result) if isinstance(result, Malformed) else result


def _settle(
    context: Context, account: Account, claim: PollClaim, claim_id: str, *, result: StatusResult, now: float
) -> PollMessage | None:
    """Commit what a response means and return the next message of the chain.

    If a bug prevents that, the request was made all the same, so the order is settled as one whose response cannot be
    read. If the response was committed before the bug, the second commit finds that and writes nothing.
    """
    settled = guarded(
        context,
        Operation.ATTEMPT,
        lambda: _download_and_settle(context, account, claim, claim_id, result=result, now=now),
        order=claim.granted_order.id,
        account=account.key,
    )
    if isinstance(settled, Malformed):
        unread = replace(result, outcome=extend_retry_after(settled, result.outcome.retry_after))
        return settle_attempt(context, account, claim, claim_id, result=unread, now=now)
    return settled


def _share_answer(context: Context, account: Account, order: Order, result: StatusResult, lease: float) -> None:
    """Settle the other orders of the same user with the same response, instead of a request for each.

    Each selects its own tickets from the list. What is left when the time is up, or when this process dies, is polled
    as usual.
    """
    if result.transcript is None or not isinstance(result.outcome, Issued | PartlyIssued | NotReady | Missing):
        return
    started, user_list = time.monotonic(), account.adapter.is_user_list(order.reference)
    if order.user_bound and not user_list:
        return  # others may not get with their credentials what these got
    for order_id in context.stores.polls.sharers(order):
        if time.monotonic() > started + _SHARING_TIME:
            break
        claim_id = token_hex(6)
        claim = context.stores.polls.claim_answer(order_id, order, claim_id, lease, user_list=user_list)
        if claim is None:
            continue
        read = read_transcript(context, account, claim.granted_order, result.transcript)
        message = _settle(context, account, claim, claim_id, result=read, now=claim.now)
        context.send_polls(account.key, [message] if message else [])


def _download_and_settle(
    context: Context, account: Account, claim: PollClaim, claim_id: str, *, result: StatusResult, now: float
) -> PollMessage | None:
    """Download the documents of the tickets, and commit what the response means."""
    order, outcome, fetch_in = claim.granted_order, result.outcome, None
    _log_unexpected(result, order)
    context.implausible_hints.check_date(account.key, outcome.not_before, now)
    if isinstance(outcome, Issued | PartlyIssued):
        outcome = store_inline_files(context, order.id, claim_id, outcome)
    if isinstance(outcome, Issued | PartlyIssued):
        outcome, fetch_in = download_issued(context, account, order, claim_id, outcome)
    result = replace(result, outcome=outcome)
    message = settle_attempt(context, account, claim, claim_id, result=result, now=now, fetch_in=fetch_in)
    if fetch_in is not None:
        context.sender.send_task(TASK, [order.id], fetch_in)
    return message


def _log_unexpected(result: StatusResult, order: Order) -> None:
    """Log unknown status words and unreadable responses, once per order."""
    outcome = result.outcome
    new_word = isinstance(outcome, NotReady | PartlyIssued) and "unknown" in (outcome.detail or "")
    if (new_word and outcome.provider_status != order.provider_status) or (
        isinstance(outcome, Malformed) and order.attention is not Attention.MALFORMED
    ):
        log.warning(
            "unexpected response",
            order=order.id,
            account=order.account_key,
            http=result.http_status,
            detail=outcome.detail,
        )
