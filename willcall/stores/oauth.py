"""OAuth access tokens, one per account, shared by all workers and fetched by one of them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from willcall.stores import keys

if TYPE_CHECKING:
    from redis import Redis

#: A token is renewed when less than this share of its life is left ...
EARLY = 0.2
#: ... but not sooner than this many seconds before its end.
LONGEST_MARGIN = 60.0


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token. `proven` once the provider has accepted it; `fading` when it is time to fetch the next one."""

    value: str = field(repr=False)
    accepted: bool
    expires_soon: bool


class OAuthStore:
    """Access tokens in Redis."""

    def __init__(self, redis: "Redis") -> None:
        """`redis` decodes responses."""
        self._redis = redis

    def get(self, account: str) -> StoredToken | None:
        """The account's token, None where there is none that is still good."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hmget(keys.oauth(account), "token", "proven", "margin")
        pipe.pttl(keys.oauth(account))
        (token, proven, margin), left = pipe.execute()
        if token is None:
            return None
        return StoredToken(token, proven == "1", left <= float(margin))

    def put(self, account: str, token: str, expires_in: float) -> None:
        """Share a fresh token that is good for `expires_in` seconds."""
        margin = min(expires_in * EARLY, LONGEST_MARGIN)
        pipe = self._redis.pipeline()
        pipe.delete(keys.oauth(account))
        pipe.hset(keys.oauth(account), mapping={"token": token, "margin": int(margin * 1_000)})
        pipe.pexpire(keys.oauth(account), max(1, int(expires_in * 1_000)))
        pipe.execute()

    def mark_accepted(self, account: str) -> None:
        """The provider accepted the token."""
        self._redis.hset(keys.oauth(account), "proven", 1)

    def reject(self, account: str, token: str) -> None:
        """The provider refused the token: forget it, unless another worker has replaced it already."""
        if cast("str | None", self._redis.hget(keys.oauth(account), "token")) == token:
            self._redis.delete(keys.oauth(account))

    def auth_method(self, account: str) -> str | None:
        """Return the way of authenticating that the token endpoint took last."""
        return cast("str | None", self._redis.get(keys.oauth_auth_method(account)))

    def remember_auth_method(self, account: str, dialect: str) -> None:
        """Have everybody begin with this way of authenticating."""
        self._redis.set(keys.oauth_auth_method(account), dialect)

    def postpone(self, account: str, seconds: float) -> None:
        """Leave the token endpoint alone for so long."""
        self._redis.set(keys.oauth_wait(account), 1, px=max(1, int(seconds * 1_000)))

    def postponed_for(self, account: str) -> float:
        """Return for how many seconds the token endpoint is to be left alone."""
        return max(0, self._redis.pttl(keys.oauth_wait(account))) / 1_000

    def allow(self, account: str) -> None:
        """Let the token endpoint be asked at once."""
        self._redis.delete(keys.oauth_wait(account))

    def lock(self, account: str, seconds: float) -> bool:
        """Whether it is the caller's turn to fetch a token; the turn ends after `seconds` or by `unlock`."""
        return bool(self._redis.set(keys.oauth_lock(account), 1, nx=True, px=int(seconds * 1_000)))

    def unlock(self, account: str) -> None:
        """End one's turn."""
        self._redis.delete(keys.oauth_lock(account))
