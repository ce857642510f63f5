"""One way to connect to Redis."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

#: A dead connection is noticed within this many seconds; nothing waits for Redis without a bound.
SOCKET_TIMEOUT = 5.0

#: What the stores raise when Redis cannot be had.
StoreError = RedisError


def connect(url: str) -> "Redis":
    """A client for `url`, safe to share between threads; connects on first use.

    One retry on a fresh connection covers those that Redis or a network dropped while they were idle.
    Scripts are safe to repeat: each is fenced by the order's sequence number or by the digest of its content.
    """
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=SOCKET_TIMEOUT,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 1),
    )
