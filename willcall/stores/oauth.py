"""OAuth access tokens: one per account, requested by one worker and shared by all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from redis.exceptions import LockError
from redis.lock import Lock

from willcall.stores import keys

if TYPE_CHECKING:
    from redis import Redis

#: The next token is requested when less than this share of the lifetime is left ...
EARLY = 0.2
#: ... but not sooner than so many seconds before its end.
LONGEST_MARGIN = 60.0
#: Seconds for which `discard` waits for a request that is under way, and holds the lock.
_DISCARD_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token. `accepted`: the provider has accepted it before. `expires_soon`: it is time to request the next one."""

    value: str = field(repr=False)
    accepted: bool
    expires_soon: bool


class OAuthStore:
    """Access tokens in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def get(self, account: str) -> StoredToken | None:
        """Return the account's token, `None` if there is none or it has expired."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hmget(keys.oauth(account), "token", "proven", "margin")
        pipe.pttl(keys.oauth(account))
        (token, proven, margin), left = pipe.execute()
        if token is None:
            return None
        return StoredToken(token, proven == "1", left <= float(margin))

    def put(self, account: str, token: str, expires_in: float) -> None:
        """Store a new token that is valid for `expires_in` seconds."""
        margin = min(expires_in * EARLY, LONGEST_MARGIN)
        pipe = self._redis.pipeline()
        pipe.delete(keys.oauth(account))
        pipe.hset(keys.oauth(account), mapping={"token": token, "margin": int(margin * 1_000)})
        pipe.pexpire(keys.oauth(account), max(1, int(expires_in * 1_000)))
        pipe.execute()

    def mark_accepted(self, account: str) -> None:
        """Record that the provider accepted the token."""
        self._redis.hset(keys.oauth(account), "proven", 1)

    def reject(self, account: str, token: str) -> None:
        """Remove a token that the provider rejected, unless another worker has replaced it."""
        if cast("str | None", self._redis.hget(keys.oauth(account), "token")) == token:
            self._redis.delete(keys.oauth(account))

    def discard(self, account: str) -> None:
        """Discard the token, also one that is being requested, and allow requests at once: the credentials changed."""
        lock = Lock(self._redis, keys.oauth_lock(account), timeout=_DISCARD_PATIENCE)
        acquired = lock.acquire(blocking_timeout=_DISCARD_PATIENCE)
        self._redis.delete(keys.oauth(account), keys.oauth_wait(account))
        if acquired:
            with suppress(LockError):  # it has expired
                lock.release()

    def auth_method(self, account: str) -> str | None:
        """Return the authentication method that the token endpoint accepted last."""
        return cast("str | None", self._redis.get(keys.oauth_auth_method(account)))

    def remember_auth_method(self, account: str, method: str) -> None:
        """Store the authentication method that the token endpoint accepted."""
        self._redis.set(keys.oauth_auth_method(account), method)

    def postpone(self, account: str, seconds: float) -> None:
        """Request no token for so many seconds."""
        self._redis.set(keys.oauth_wait(account), 1, px=max(1, int(seconds * 1_000)))

    def postponed_for(self, account: str) -> float:
        """Return for how many seconds no token may be requested."""
        return max(0, self._redis.pttl(keys.oauth_wait(account))) / 1_000

    def allow(self, account: str) -> None:
        """Allow token requests at once."""
        self._redis.delete(keys.oauth_wait(account))

    @contextmanager
    def lock(self, account: str, seconds: float) -> Iterator[bool]:
        """Yield whether the caller may request a token. Others may after the block, or after `seconds`."""
        lock = Lock(self._redis, keys.oauth_lock(account), timeout=seconds, blocking=False)
        acquired = lock.acquire()
        try:
            yield acquired
        finally:
            if acquired:
                with suppress(LockError):  # it has expired
                    lock.release()
