"""One way to connect to Redis."""

from redis import Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

#: A dead connection is noticed within this many seconds; nothing waits for Redis without a bound.
SOCKET_TIMEOUT = 5.0

#: With waits of 0.1 s to 1 s between them: about 8 s where connections are refused.
PATIENT_RETRIES = 12

#: What the stores raise when Redis cannot be had.
StoreError = RedisError


def connect(url: str, *, patient: bool = False, timeout: float = SOCKET_TIMEOUT) -> "Redis":
    """A client for `url`, safe to share between threads; connects on first use. `timeout`: seconds of silence.

    One retry on a fresh connection covers those that Redis or a network dropped while they were idle. A `patient`
    client rides out a restart of Redis, some seconds: for what must not be lost, such as a provider's answer.
    Scripts are safe to repeat: each is fenced by the order's sequence number or by the digest of its content.
    """
    retry = Retry(ExponentialBackoff(cap=1.0, base=0.05), PATIENT_RETRIES) if patient else Retry(NoBackoff(), 1)
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        socket_keepalive=True,
        retry=retry,
    )
