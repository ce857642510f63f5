"""Poll a provider for one order: build the request, send it, read the response."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog

from willcall.http.messages import Response
from willcall.orders.model import Order
from willcall.orders.outcomes import OUTCOME_NAMES, Malformed, NotReady, Outcome, Throttled, Unauthorized, Unavailable
from willcall.orders.user_lists import Ownership, bought_at
from willcall.providers.base import Account, OrderQuery
from willcall.providers.reading import with_retry_after
from willcall.usecases.authorize import (
    Authorization,
    RetrySoon,
    authorize,
    discard_rejected_token,
    record_accepted_token,
)
from willcall.usecases.context import Context
from willcall.usecases.failures import guarded
from willcall.usecases.ports import Operation

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StatusResult:
    """The outcome of a status request, and its HTTP status and itself if there was a response."""

    outcome: Outcome
    http_status: int | None = None
    response: Response | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SendWindow:
    """When the request of an attempt may be sent, in monotonic seconds.

    `claimed`: when the claim asked for a token. `send_at`: the time of the token. `send_before`: a later request could
    outlast the lease. `override`: an operator sends the request in spite of a throttle.
    """

    claimed: float
    send_at: float
    send_before: float
    override: bool = False


def ask(context: Context, account: Account, order: Order, now: float, window: SendWindow) -> StatusResult | RetrySoon:
    """Poll one order. `now`: the server's time of the claim, against which dates in the response are read.

    Nothing is sent if this process has received a 429 since, of which Redis did not know when the order was claimed.
    """
    claimed = window.claimed
    authorization = authorize(context, account, claimed)
    if isinstance(authorization, RetrySoon):
        return authorization
    if not isinstance(authorization, Authorization):
        return StatusResult(authorization)
    query = _query(order)
    request = account.adapter.status_request(query, account.credentials, authorization.token)
    if not _wait_for_token(context, account, window):
        return RetrySoon()
    if time.monotonic() > window.send_before or context.throttles.blocks(account.bucket, claimed):
        return RetrySoon()
    response = context.exchange(account, request)
    if not isinstance(response, Response):
        return StatusResult(response)
    response = replace(response, received_at=now + time.monotonic() - claimed)
    result = read_response(context, account, order, response)
    outcome = _after_authorization(context, account, authorization, result.outcome)
    return replace(result, outcome=with_retry_after(outcome, response))


def read_response(context: Context, account: Account, order: Order, response: Response) -> StatusResult:
    """Return what a response means for an order. A bug counts as a response that cannot be read."""
    outcome = guarded(
        context,
        Operation.ATTEMPT,
        lambda: _read(context, account, order.id, _query(order), response),
        order=order.id,
        account=account.key,
    )
    return StatusResult(with_retry_after(outcome, response), response.status, response)


def _query(order: Order) -> OrderQuery:
    return OrderQuery(order.reference, order.quantity, order.language, bought_at(order))


def _read(context: Context, account: Account, order_id: str, query: OrderQuery, response: Response) -> Outcome:
    """Return what a response means. Other orders of the account may own some of the tickets in a user's list."""
    user_lists = account.adapter.user_lists
    if user_lists and account.adapter.is_user_list(query.reference):
        keys = sorted(user_lists.ticket_keys(query, response))
        query = replace(query, ownership=_ownership(context, account.key, order_id, keys))
    outcome = account.adapter.read_status(query, response)
    if type(outcome) not in OUTCOME_NAMES:
        raise TypeError("an adapter must return one of the outcomes")
    return outcome


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
