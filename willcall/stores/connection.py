"""Connecting to Redis."""

from collections.abc import Callable
from itertools import count
from time import monotonic
from typing import Any, TypeVar

from redis import Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import DataError, RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from willcall.stores import keys
from willcall.stores.redis_internals import MasterConnection, detecting_outages
from willcall.stores.redis_urls import SentinelUrl, is_sentinel, read_sentinel_url
from willcall.stores.scripts import load

#: Seconds within which a dead connection is noticed. Nothing waits for Redis without a limit.
SOCKET_TIMEOUT = 5.0
#: Seconds after which a silent Sentinel is skipped.
SENTINEL_TIMEOUT = 1.0

#: Seconds for which a patient client retries. A first silence may precede them, and the last try may outlast them, by
#: `SOCKET_TIMEOUT` each. With the default timeouts that is less than the lease of an attempt, so no other worker polls
#: again while an answer is still to be written.
PATIENCE = 14.0

T = TypeVar("T")

#: The errors of the stores if Redis is unavailable or does not serve (`outages.NotServingError`).
StoreError = RedisError
#: A `StoreError` that is a bug, not an outage: a value that cannot be sent to Redis.
StoreUsageError = DataError


def connect(url: str, *, patient: bool = False, timeout: float = SOCKET_TIMEOUT, retries: int = 1) -> "Redis":
    """Return a client for `url`, which threads may share. It connects on first use.

    `timeout`: seconds of silence. One retry on a fresh connection covers those that were dropped while idle. Without
    retries, the first silence ends a command.

    A `patient` client survives a restart of Redis: use it for what must not be lost, such as a provider's answer. It
    reconnects as soon as Redis is back, because others may act meanwhile without knowing. Scripts may be repeated: each
    is fenced by the order's sequence number or by a nonce of the call.

    With Sentinels each new connection goes to the current master.
    """
    retry = _PatientRetry(_Backoff(cap=0.5, base=0.05), retries=-1) if patient else Retry(NoBackoff(), retries)
    options: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": retry,
    }
    if not url.startswith("unix://"):
        options["socket_keepalive"] = True
    client = _connect_to_master(read_sentinel_url(url), options) if is_sentinel(url) else Redis.from_url(url, **options)
    pool = client.connection_pool
    pool.connection_class = detecting_outages(pool.connection_class)
    return client


def probe(client: "Redis") -> None:
    """Write as Willcall does, to check that Redis serves. Raises StoreError."""
    load(client, "check_writes")(keys=[keys.PROBE])


def sentinel_options(url: SentinelUrl) -> dict[str, Any]:
    """Return the options of connections to the Sentinels themselves."""
    return {
        "password": url.sentinel_password,
        "socket_timeout": SENTINEL_TIMEOUT,
        "socket_connect_timeout": SENTINEL_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
    }


def _connect_to_master(url: SentinelUrl, options: dict[str, Any]) -> "Redis":
    sentinel = Sentinel(url.sentinels, sentinel_kwargs=sentinel_options(url))  # type: ignore[no-untyped-call]
    credentials = {"username": url.username, "password": url.password}
    client: Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
        url.master, db=url.database, connection_class=MasterConnection, **credentials, **options
    )
    return client


class _PatientRetry(Retry):
    """At least two tries, and for `PATIENCE`. A number of tries would take many times as long if Redis is silent."""

    def call_with_retry(self, do: Callable[[], T], fail: Callable[..., Any], *args: Any, **kwargs: Any) -> T:
        failures, give_up_at = count(1), monotonic() + PATIENCE

        def failed(error: Exception, *number: int) -> None:
            fail(error, *number)
            if next(failures) > 1 and monotonic() >= give_up_at:
                raise error

        return super().call_with_retry(do, failed, *args, **kwargs)


class _Backoff(ExponentialBackoff):
    """No wait before the first retry: a connection that broke while it was idle says nothing about Redis now."""

    def compute(self, failures: int) -> float:
        return 0.0 if failures == 1 else super().compute(failures - 1)
