"""Connecting to Redis."""

from collections.abc import Callable
from itertools import count
from time import monotonic
from typing import Any, TypeVar

from redis import Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.connection import (
    BlockingConnectionPool,
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.exceptions import DataError, RedisError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import Sentinel

from willcall.stores import keys
from willcall.stores.redis_address import RedisAddress, parse_address
from willcall.stores.redis_internals import MasterConnection, MasterTlsConnection, detecting_outages
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
    address = parse_address(url)
    options = {
        **connection_options(address, timeout),
        "decode_responses": True,
        "retry": retry,
        # Redis Enterprise's notices of its maintenance: their handlers would keep each pool in memory for ever.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    options["connection_class"] = detecting_outages(connection_class(address))
    if address.master:
        return _connect_to_master(address, options)
    if "max_connections" in options:  # who finds all of them in use waits for one
        return Redis.from_pool(BlockingConnectionPool(timeout=SOCKET_TIMEOUT, **options))  # type: ignore[no-untyped-call]
    return Redis.from_pool(ConnectionPool(**options))


def connection_options(address: RedisAddress, timeout: float = SOCKET_TIMEOUT) -> dict[str, Any]:
    """Return the options of connections to Redis, for the state and the broker alike.

    `timeout`: seconds of silence, unless the address says otherwise.
    """
    options: dict[str, Any] = {
        "db": address.database,
        "username": address.username,
        "password": address.password,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
    }
    if address.path is not None:
        options["path"] = address.path
    else:
        options["socket_keepalive"] = True
    if address.hosts and not address.master:
        ((options["host"], options["port"]),) = address.hosts
    given = {name: value for name, value in address.options.items() if name != "retry_on_timeout"}
    return {**options, **given, **(address.tls_options if address.tls else {})}


def sentinel_options(address: RedisAddress) -> dict[str, Any]:
    """Return the options of connections to the Sentinels themselves."""
    return {
        "username": address.sentinel_username,
        "password": address.sentinel_password,
        "socket_timeout": SENTINEL_TIMEOUT,
        "socket_connect_timeout": SENTINEL_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
        **({"ssl": True, **address.tls_options} if address.sentinel_tls else {}),
    }


def connection_class(address: RedisAddress) -> type:
    """Return the class of connections to Redis."""
    if address.path is not None:
        return UnixDomainSocketConnection
    if address.master:
        return MasterTlsConnection if address.tls else MasterConnection
    return SSLConnection if address.tls else Connection


def _connect_to_master(address: RedisAddress, options: dict[str, Any]) -> "Redis":
    sentinel = Sentinel(address.hosts, sentinel_kwargs=sentinel_options(address))  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(address.master, **options)  # type: ignore[no-untyped-call]
    return client


def probe(client: "Redis") -> None:
    """Write as Willcall does, to check that Redis serves. Raises StoreError."""
    load(client, "check_writes")(keys=[keys.PROBE, keys.STATE])


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
