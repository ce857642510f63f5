"""The access token of an account with OAuth: fetched by one worker, early, and shared by all."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from willcall.http.messages import Request, Response
from willcall.orders.hints import FALLBACK_WAIT, hint_seconds
from willcall.orders.outcomes import Malformed, Outcome, Throttled, Unauthorized, Unavailable
from willcall.providers.base import AccessToken, Account, OAuth
from willcall.providers.reading import retry_after
from willcall.stores.oauth import StoredToken
from willcall.usecases.context import Context
from willcall.usecases.failures import guarded
from willcall.usecases.ports import Operation


@dataclass(frozen=True, slots=True)
class Authorization:
    """The token to send, None where the account needs none. `proven`: the provider has accepted it before."""

    token: str | None = field(default=None, repr=False)
    proven: bool = True


@dataclass(frozen=True, slots=True)
class RetrySoon:
    """Not now: another worker fetches the token, too much time has passed, or a 429 came. Come back in a moment."""


#: Seconds until an early renewal of a token that was in vain is tried again: the token is still good meanwhile.
RENEWAL_WAIT = 5.0


def authorize(context: Context, account: Account, claimed: float) -> Authorization | RetrySoon | Outcome:
    """Return a token for one request, or what keeps it from us, which says nothing of an order.

    `claimed`: see `ask`.
    """
    oauth, requests = account.adapter.oauth, account.token_requests()
    if oauth is None or not requests:
        return Authorization()
    tokens = context.stores.oauth
    stored = tokens.get(account.key)
    if stored and not stored.expires_soon:
        return _authorization(stored)
    wait = tokens.postponed_for(account.key)
    if wait:
        waiting = Unavailable(request_sent=False, retry_after=wait, detail="the token endpoint asked us to wait")
        return _authorization(stored) if stored else waiting
    if not tokens.lock(account.key, len(requests) * account.http.total_timeout + 5):
        return _authorization(stored) if stored else RetrySoon()
    try:
        token = _fetch(context, account, oauth, requests, claimed)
    finally:
        tokens.unlock(account.key)
    if isinstance(token, AccessToken):
        return Authorization(token.value, proven=False)
    # An old token is still good where a new one cannot be had; but a 429 binds what would be sent with it, too.
    return _authorization(stored) if stored and not isinstance(token, Throttled | RetrySoon) else token


def _authorization(stored: StoredToken) -> Authorization:
    return Authorization(stored.value, stored.accepted)


def _fetch(
    context: Context, account: Account, oauth: OAuth, requests: Mapping[str, Request], claimed: float
) -> AccessToken | RetrySoon | Outcome:
    """Fetch a token and share it, trying once each way of authenticating until one is not refused."""
    tokens = context.stores.oauth
    known = tokens.auth_method(account.key)
    failure: Unauthorized | Unavailable | None = None
    for dialect in sorted(requests, key=lambda name: name != known):
        if context.throttles.blocks(account.key, claimed):
            return RetrySoon()
        token = _exchange(context, account, oauth, requests[dialect])
        if isinstance(token, AccessToken):
            tokens.put(account.key, token.value, token.expires_in)
            if dialect != known:
                tokens.remember_auth_method(account.key, dialect)
            return token
        if isinstance(token, Throttled):
            return token
        # A renewal in vain is not repeated at once.
        renewal = RENEWAL_WAIT if tokens.get(account.key) else 0.0
        _leave_alone(context, account, max(token.retry_after or 0.0, renewal))
        failure = failure or token
        if not isinstance(token, Unauthorized) or token.retry_after:
            break
    return failure or RetrySoon()


def _exchange(
    context: Context, account: Account, oauth: OAuth, request: Request
) -> AccessToken | Unauthorized | Throttled | Unavailable:
    response = context.exchange(account, request)
    if isinstance(response, Response):
        token = guarded(context, Operation.ATTEMPT, lambda: oauth.read_token(response), account=account.key)
        if isinstance(token, Malformed):  # by our mistake: the account has no token, whichever order asked for it
            why = f"no access token: {token.detail}"
            return Unavailable(request_sent=False, retry_after=retry_after(response), detail=why)
        if isinstance(token, AccessToken):
            _leave_alone(context, account, retry_after(response))
        return token
    why = f"no access token: {response.detail}"
    return Unavailable(request_sent=False, retry_after=response.retry_after, detail=why)


def _leave_alone(context: Context, account: Account, seconds: float | None) -> None:
    """Keep all orders from a token endpoint that asked for patience."""
    wait = hint_seconds(seconds, fallback=FALLBACK_WAIT)
    if wait:
        context.stores.oauth.postpone(account.key, wait)


def discard_rejected_token(context: Context, account: Account, authorization: Authorization) -> bool:
    """The provider answered 401: forget the token. Whether a fresh one is worth trying."""
    if authorization.token is None:
        return False
    context.stores.oauth.reject(account.key, authorization.token)
    return authorization.proven


def record_accepted_token(context: Context, account: Account, authorization: Authorization) -> None:
    """The provider took the token: remember that, once."""
    if authorization.token is not None and not authorization.proven:
        context.stores.oauth.mark_accepted(account.key)
