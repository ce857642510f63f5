"""One way to connect to Redis."""

from collections.abc import Callable
from itertools import count
from time import monotonic
from typing import Any, TypeVar

from redis import Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import DataError, RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection

from willcall.stores import keys
from willcall.stores.outages import detecting_outages
from willcall.stores.scripts import load
from willcall.stores.sentinel import SentinelUrl, is_sentinel, read_url

#: A dead connection is noticed within this many seconds; nothing waits for Redis without a bound.
SOCKET_TIMEOUT = 5.0
#: A Sentinel that does not answer within this many seconds is passed over for the next one.
SENTINEL_TIMEOUT = 1.0

#: Seconds for which a patient client tries again, whether connections are refused or nobody answers. A first silence
#: may precede them, and the last try outlast them, by `SOCKET_TIMEOUT` each. That is less than an attempt's lease with
#: the default time-outs, so that nobody asks again for an answer which is still to be written.
PATIENCE = 14.0

T = TypeVar("T")

#: What the stores raise when Redis cannot be had, or does not serve (`outages.NoServiceError`).
StoreError = RedisError
#: A `StoreError` that is no outage: a value that cannot be sent to Redis, which is a mistake of ours.
StoreUsageError = DataError


def connect(url: str, *, patient: bool = False, timeout: float = SOCKET_TIMEOUT, retries: int = 1) -> "Redis":
    """A client for `url`, safe to share between threads; connects on first use. `timeout`: seconds of silence.

    One retry on a fresh connection covers those that Redis or a network dropped while they were idle; without any,
    where Redis hangs, the first silence ends what is asked, while to connect and to ask are retried each. A `patient`
    client rides out a restart of Redis, some seconds: for what must not be lost, such as a provider's answer. When
    Redis is back it waits no longer than need be, for others may act meanwhile without knowing.
    Scripts are safe to repeat: each is fenced by the order's sequence number or by a nonce of the call.
    With Sentinels each new connection goes to whatever they call the master then.
    """
    retry = _Patience(_Waits(cap=0.5, base=0.05), retries=-1) if patient else Retry(NoBackoff(), retries)
    options: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": retry,
    }
    if not url.startswith("unix://"):
        options["socket_keepalive"] = True
    client = _behind_sentinels(read_url(url), options) if is_sentinel(url) else Redis.from_url(url, **options)
    pool = client.connection_pool
    pool.connection_class = detecting_outages(pool.connection_class)
    return client


def probe(client: "Redis") -> None:
    """Write as the work does, to see whether Redis serves. Raises StoreError."""
    load(client, "check_writes")(keys=[keys.PROBE])


def sentinel_options(url: SentinelUrl) -> dict[str, Any]:
    """How the Sentinels themselves are asked."""
    return {
        "password": url.sentinel_password,
        "socket_timeout": SENTINEL_TIMEOUT,
        "socket_connect_timeout": SENTINEL_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
    }


def _behind_sentinels(url: SentinelUrl, options: dict[str, Any]) -> "Redis":
    sentinel = Sentinel(url.sentinels, sentinel_kwargs=sentinel_options(url))  # type: ignore[no-untyped-call]
    credentials = {"username": url.username, "password": url.password}
    client: Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
        url.master, db=url.database, connection_class=_MasterConnection, **credentials, **options
    )
    return client


class _Patience(Retry):
    """Tries at least twice, and for `PATIENCE`: a count would be many times as long where nobody answers."""

    def call_with_retry(self, do: Callable[[], T], fail: Callable[..., Any], *args: Any, **kwargs: Any) -> T:
        """What `do` returns. Raises what it raised last."""
        failures, give_up_at = count(1), monotonic() + PATIENCE

        def failed(error: Exception, *number: int) -> None:
            fail(error, *number)
            if next(failures) > 1 and monotonic() >= give_up_at:
                raise error

        return super().call_with_retry(do, failed, *args, **kwargs)


class _Waits(ExponentialBackoff):
    """No wait before the first retry: a connection that broke while it was idle says nothing of Redis now."""

    def compute(self, failures: int) -> float:
        """Seconds to wait after so many failures."""
        return 0.0 if failures == 1 else super().compute(failures - 1)


class _MasterConnection(SentinelManagedConnection):
    """Asks for the master before every try: redis-py's goes back to the one that it has just lost."""

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        """Send, to whatever is the master now where the connection was lost."""
        if not self.is_connected:
            self.connect_to(self.connection_pool.get_master_address())  # type: ignore[no-untyped-call]
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]
