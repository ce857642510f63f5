"""Access tokens of accounts with OAuth: one worker fetches a token before the old one expires, all share it."""

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
    """The token to send, or None if the account needs none. `proven`: the provider has accepted it before."""

    token: str | None = field(default=None, repr=False)
    proven: bool = True


@dataclass(frozen=True, slots=True)
class RetrySoon:
    """Retry in a moment: another worker is fetching the token, there is too little time left, or a 429 was received."""


#: Seconds until a failed early renewal is retried: the old token is still valid.
RENEWAL_WAIT = 5.0


def authorize(context: Context, account: Account, claimed: float) -> Authorization | RetrySoon | Outcome:
    """Return a token for one request, or why there is none; that says nothing about an order.

    `claimed`: see `SendWindow`.
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
    with tokens.lock(account.key, len(requests) * account.http.total_timeout + 5) as acquired:
        if not acquired:
            return _authorization(stored) if stored else RetrySoon()
        token = _fetch(context, account, oauth, requests, claimed)
    if isinstance(token, AccessToken):
        return Authorization(token.value, proven=False)
    # The old token is still valid if no new one can be had. But after a 429 nothing is sent with it either.
    return _authorization(stored) if stored and not isinstance(token, Throttled | RetrySoon) else token


def _authorization(stored: StoredToken) -> Authorization:
    return Authorization(stored.value, stored.accepted)


def _fetch(
    context: Context, account: Account, oauth: OAuth, requests: Mapping[str, Request], claimed: float
) -> AccessToken | RetrySoon | Outcome:
    """Fetch a token and share it, trying each way of authenticating once until one is accepted."""
    tokens = context.stores.oauth
    known = tokens.auth_method(account.key)
    failure: Unauthorized | Unavailable | None = None
    for method in sorted(requests, key=lambda name: name != known):
        if context.throttles.blocks(account.bucket, claimed):
            return RetrySoon()
        token = _exchange(context, account, oauth, requests[method])
        if isinstance(token, AccessToken):
            tokens.put(account.key, token.value, token.expires_in)
            if method != known:
                tokens.remember_auth_method(account.key, method)
            return token
        if isinstance(token, Throttled):
            return token
        # Do not repeat a failed renewal immediately.
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
        if isinstance(token, Malformed):  # a bug: the account has no token, whichever order needs it
            why = f"no access token: {token.detail}"
            return Unavailable(request_sent=False, retry_after=retry_after(response), detail=why)
        if isinstance(token, AccessToken):
            _leave_alone(context, account, retry_after(response))
        return token
    return Unavailable(
        request_sent=False, retry_after=response.retry_after, detail=f"no access token: {response.detail}"
    )


def _leave_alone(context: Context, account: Account, seconds: float | None) -> None:
    """Send nothing to a token endpoint that asked us to wait."""
    wait = hint_seconds(seconds, fallback=FALLBACK_WAIT)
    if wait:
        context.stores.oauth.postpone(account.key, wait)


def discard_rejected_token(context: Context, account: Account, authorization: Authorization) -> bool:
    """Discard the token after a 401. Returns whether a new one is worth trying."""
    if authorization.token is None:
        return False
    context.stores.oauth.reject(account.key, authorization.token)
    return authorization.proven


def record_accepted_token(context: Context, account: Account, authorization: Authorization) -> None:
    """Record, once, that the provider has accepted the token."""
    if authorization.token is not None and not authorization.proven:
        context.stores.oauth.mark_accepted(account.key)
