"""Poll a provider for one order: hold the conversation of its adapter, and return the outcome."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from willcall.http.messages import Request, Response
from willcall.orders.model import OPEN, Order
from willcall.orders.outcomes import (
    Issued,
    Malformed,
    NotReady,
    Outcome,
    PartlyIssued,
    Throttled,
    Unauthorized,
    Unavailable,
    extend_retry_after,
)
from willcall.orders.user_lists import Ownership, bought_at
from willcall.providers.base import Account, OrderQuery
from willcall.providers.checkouts import IN_DOUBT, is_in_doubt
from willcall.providers.reading import with_retry_after
from willcall.usecases.authorize import (
    Authorization,
    RetrySoon,
    authorize,
    discard_rejected_token,
    record_accepted_token,
)
from willcall.usecases.context import Context
from willcall.usecases.conversations import FurtherRequests, Transcript, first_request, hold
from willcall.usecases.failures import guarded
from willcall.usecases.ports import Operation

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StatusResult:
    """The outcome of an attempt, and the HTTP status and responses of its conversation if there were any.

    `asked` is false if there was nothing to ask the provider, so that the outcome says nothing of the account.
    """

    outcome: Outcome
    http_status: int | None = None
    transcript: Transcript | None = field(default=None, repr=False)
    asked: bool = True


@dataclass(frozen=True, slots=True)
class SendWindow:
    """When the request of an attempt may be sent, in monotonic seconds.

    `claimed`: when the claim asked for a token. `send_at`: the time of the token. `send_before`: a later request could
    outlast the lease. `override`: an operator sends the request in spite of a throttle. `extend_lease` gives the
    attempt more seconds, and returns whether it may continue.
    """

    claimed: float
    send_at: float
    send_before: float
    override: bool = False
    extend_lease: Callable[[float], bool] = lambda _seconds: True


def ask(context: Context, account: Account, order: Order, now: float, window: SendWindow) -> StatusResult | RetrySoon:
    """Poll one order. `now`: the server's time of the claim, against which dates in the response are read.

    Nothing is sent if this process has received a 429 since, of which Redis did not know when the order was claimed.
    """
    if is_in_doubt(order.reference):
        return StatusResult(IN_DOUBT, asked=False)
    claimed = window.claimed
    authorization = authorize(context, account, claimed)
    if isinstance(authorization, RetrySoon):
        return authorization
    if not isinstance(authorization, Authorization):
        return StatusResult(authorization)
    token = authorization.token
    request = first_request(account.adapter.converse(_query(order), account.credentials, token))
    if (
        not _wait_for_token(context, account, window)
        or time.monotonic() > window.send_before
        or context.throttles.blocks(account.bucket, claimed)
    ):
        return RetrySoon()
    response = context.exchange(account, request)
    if not isinstance(response, Response):
        return StatusResult(response)

    def clock() -> float:
        return now + time.monotonic() - claimed

    transcript = Transcript(replace(response, received_at=clock()))
    further = FurtherRequests(context, account, transcript, window.extend_lease, clock, order.user_bound)
    result = _hold(context, account, order, transcript, further.send, access_token=token)
    outcome = _after_authorization(context, account, authorization, result.outcome)
    return replace(result, outcome=with_retry_after(outcome, transcript.first))


def read_transcript(context: Context, account: Account, order: Order, transcript: Transcript) -> StatusResult:
    """Return what the responses of a conversation mean for another order. Nothing is sent."""
    return _hold(context, account, order, transcript, transcript.answer)


def _hold(
    context: Context,
    account: Account,
    order: Order,
    transcript: Transcript,
    send: Callable[[Request], Response | None],
    *,
    access_token: str | None = None,
) -> StatusResult:
    """Hold the conversation about an order. A bug counts as a response that cannot be read."""
    conversation = account.adapter.converse(_query(order), account.credentials, access_token)
    find_owners = partial(_ownership, context, account.key, order.id)

    def read() -> Outcome:
        outcome = hold(conversation, transcript.first, send, find_owners)
        if isinstance(outcome, Issued | PartlyIssued):
            return replace(outcome, tickets=account.without_holders(outcome.tickets))
        return outcome

    outcome = guarded(context, Operation.ATTEMPT, read, order=order.id, account=account.key)
    outcome = extend_retry_after(with_retry_after(outcome, transcript.first), transcript.retry_after)
    return StatusResult(outcome, transcript.first.status, transcript)


def _query(order: Order) -> OrderQuery:
    return OrderQuery(
        order.reference,
        order.quantity,
        order.language,
        bought_at(order),
        present=order.tickets,
        watched=order.status not in OPEN,
    )


def _ownership(context: Context, account: str, order_id: str, keys: Sequence[str]) -> Ownership:
    """Return which tickets belong to this order and which to others; erased orders own theirs by a keyed hash."""
    marks = dict(zip(context.stores.erasure.marks(account, keys), keys, strict=False))
    found = context.stores.orders.ownership(account, order_id, [*keys, *marks])
    erased = {ticket for mark, ticket in marks.items() if mark in found.other_orders}
    return replace(found, other_orders=found.other_orders | erased)


def _wait_for_token(context: Context, account: Account, window: SendWindow) -> bool:
    """Wait for the time of the token, and return whether it is still valid.

    A message never arrives exactly at its slot. If it were claimed late each time, an account with a small burst would
    not reach its rate. So it may be claimed up to `EARLY` (see bucket.lua) before its slot and waits here. For example,
    at 10 requests per second with a slot at 12.300 s, a claim at 12.260 s waits 40 ms; see docs/decisions/0019. The
    token is no longer valid if another process received a 429 meanwhile.
    """
    wait = window.send_at - time.monotonic()
    if wait <= 0:
        return True
    time.sleep(wait)
    return window.override or not context.stores.accounts.is_throttled(account.bucket)


def _after_authorization(context: Context, account: Account, authorization: Authorization, outcome: Outcome) -> Outcome:
    """Return the outcome, but poll again soon if an access token that was accepted before is rejected now.

    Such a token has expired, and the next attempt fetches a new one. A 429 proves nothing about a token.
    """
    if isinstance(outcome, Unauthorized) and outcome.whole_account:
        if discard_rejected_token(context, account, authorization):
            return NotReady(retry_after=1.0, detail="access token rejected; retrying with a new one")
    elif not isinstance(outcome, Unavailable | Malformed | Throttled):
        record_accepted_token(context, account, authorization)
    return outcome
