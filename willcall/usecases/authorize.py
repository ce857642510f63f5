"""The access token of an account with OAuth: fetched by one worker, early, and shared by all."""

from dataclasses import dataclass, field

from willcall.orders.outcomes import Outcome, Throttled
from willcall.providers.base import AccessToken, Account, Answer
from willcall.usecases.context import Context


@dataclass(frozen=True, slots=True)
class Authorization:
    """The token to send, None where the account needs none. `proven`: the provider has accepted it before."""

    token: str | None = field(default=None, repr=False)
    proven: bool = True


@dataclass(frozen=True, slots=True)
class Busy:
    """Not now: another worker fetches the token, too much time has passed, or a 429 came. Come back in a moment."""


def authorize(context: Context, account: Account, claimed: float) -> Authorization | Busy | Outcome:
    """A token for one request, or the outcome of not getting one; `claimed`: see `ask`."""
    request = account.adapter.token_request(account.credentials)
    if request is None:
        return Authorization()
    oauth = context.stores.oauth
    stored = oauth.get(account.key)
    if stored and not stored.fading:
        return Authorization(stored.value, stored.proven)
    if not oauth.lock(account.key, account.http.total_timeout + 5):
        return Authorization(stored.value, stored.proven) if stored else Busy()
    try:
        if context.throttles.bind(account.key, claimed):
            return Busy()
        answer = context.exchange(account, request)
        token = account.adapter.read_token(answer) if isinstance(answer, Answer) else answer
        if isinstance(token, AccessToken):
            oauth.put(account.key, token.value, token.expires_in)
            return Authorization(token.value, proven=False)
    finally:
        oauth.unlock(account.key)
    # An old token is still good where a new one cannot be had; but a 429 binds what would be sent with it, too.
    return Authorization(stored.value, stored.proven) if stored and not isinstance(token, Throttled) else token


def refused(context: Context, account: Account, authorization: Authorization) -> bool:
    """The provider answered 401: forget the token. Whether a fresh one is worth trying."""
    if authorization.token is None:
        return False
    context.stores.oauth.reject(account.key, authorization.token)
    return authorization.proven


def accepted(context: Context, account: Account, authorization: Authorization) -> None:
    """The provider took the token: remember that, once."""
    if authorization.token is not None and not authorization.proven:
        context.stores.oauth.prove(account.key)
