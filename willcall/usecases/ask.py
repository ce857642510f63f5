"""One question to a provider: build, send, read."""

import time
from dataclasses import dataclass, replace

import structlog

from willcall.http.messages import Response
from willcall.orders.model import Order
from willcall.orders.outcomes import OUTCOME_NAMES, Malformed, NotReady, Outcome, Throttled, Unauthorized, Unavailable
from willcall.orders.user_lists import bought_at
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
    """What came back, and the HTTP status of the status request (None where there was no answer to it)."""

    outcome: Outcome
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class SendWindow:
    """When the request of an attempt may be sent, all in monotonic seconds.

    `claimed`: when the token was asked for. `send_at`: the moment of the token. `send_before`: after that, the lease
    could end before the response is here. `override`: a person sends it in spite of a throttle.
    """

    claimed: float
    send_at: float
    send_before: float
    override: bool = False


def ask(context: Context, account: Account, order: Order, now: float, window: SendWindow) -> StatusResult | RetrySoon:
    """Ask about one order; `now` is when it was claimed, by the server's clock, by which dates in the answer are read.

    Nothing is sent once this process knows of a 429 that Redis did not when the order was claimed.
    """
    claimed = window.claimed
    authorization = authorize(context, account, claimed)
    if isinstance(authorization, RetrySoon):
        return authorization
    if not isinstance(authorization, Authorization):
        return StatusResult(authorization)
    query = OrderQuery(order.reference, order.quantity, order.language, bought_at(order))
    request = account.adapter.status_request(query, account.credentials, authorization.token)
    if not _wait_for_token(context, account, window):
        return RetrySoon()
    if time.monotonic() > window.send_before or context.throttles.blocks(account.key, claimed):
        return RetrySoon()
    response = context.exchange(account, request)
    if not isinstance(response, Response):
        return StatusResult(response)
    response = replace(response, received_at=now + time.monotonic() - claimed)
    outcome = guarded(
        context,
        Operation.ATTEMPT,
        lambda: _read(context, account, order.id, query, response),
        order=order.id,
        account=account.key,
    )
    outcome = _after_authorization(context, account, authorization, outcome)
    return StatusResult(with_retry_after(outcome, response), response.status)


def _read(context: Context, account: Account, order_id: str, query: OrderQuery, response: Response) -> Outcome:
    """Return what an answer means. In a user's list, other orders of the account may hold some of the tickets."""
    user_lists = account.adapter.user_lists
    if user_lists and account.adapter.is_user_list(query.reference):
        keys = user_lists.ticket_keys(query, response)
        query = replace(query, ownership=context.stores.orders.ownership(account.key, order_id, keys))
    outcome = account.adapter.read_status(query, response)
    if type(outcome) not in OUTCOME_NAMES:
        raise TypeError("an adapter has to return one of the outcomes")
    return outcome


def _wait_for_token(context: Context, account: Account, window: SendWindow) -> bool:
    """Wait for the moment for which the token was granted: at most what `EARLY` in bucket.lua says.

    A message cannot come at exactly its slot. Coming a little before it and waiting keeps the rate of an account whose
    burst is too small to make up for late ones (see docs/decisions/0019). Returns whether the token still holds: it
    does not where another process was answered 429 meanwhile.
    """
    wait = window.send_at - time.monotonic()
    if wait <= 0:
        return True
    time.sleep(wait)
    return window.override or not context.stores.accounts.is_throttled(account.key)


def _after_authorization(context: Context, account: Account, authorization: Authorization, outcome: Outcome) -> Outcome:
    """A token that was good before and is refused now has merely aged: the next attempt brings a fresh one.

    A 429 proves nothing of the token, and nothing is written before it is told.
    """
    if isinstance(outcome, Unauthorized) and outcome.whole_account:
        if discard_rejected_token(context, account, authorization):
            return NotReady(retry_after=1.0, detail="access token refused; asking again with a fresh one")
    elif not isinstance(outcome, Unavailable | Malformed | Throttled):
        record_accepted_token(context, account, authorization)
    return outcome
