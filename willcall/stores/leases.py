"""Leases: any number of beats may start a sweep, but only one run works at a time."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from willcall.stores import keys

if TYPE_CHECKING:
    from redis import Redis

#: A lease is renewed after this share of its lifetime.
_RENEWED = 1 / 3


class Lease:
    """A lease, true while it is held. A thread renews it; if Redis is unreachable for too long, it is lost."""

    def __init__(self, lock: Lock, seconds: float, longest: float) -> None:
        """Acquire a lock for `seconds`. It is renewed for at most `longest` seconds."""
        self._lock = lock
        self._seconds = seconds
        self._given_up_at = monotonic() + longest
        before = monotonic()
        self._until = before + seconds if lock.acquire(blocking=False) else 0.0
        self._done = Event()

    def __bool__(self) -> bool:
        return monotonic() < self._until

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew the lease while the block runs, then release it."""
        thread = Thread(target=self._renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()
            with suppress(RedisError):  # lost, or Redis is unavailable: then it expires
                self._lock.release()

    def _renew(self) -> None:
        while not self._done.wait(self._seconds * _RENEWED) and self and monotonic() < self._given_up_at:
            before = monotonic()
            try:
                self._lock.reacquire()
            except LockError:
                self._until = 0.0
            except RedisError:  # it lasts a while, and Redis may return in time
                continue
            else:
                self._until = before + self._seconds


class LeaseStore:
    """Leases in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    @contextmanager
    def hold(self, name: str, seconds: float, longest: float = float("inf")) -> Iterator[Lease]:
        """Hold a lease while the block runs, for at most `longest` seconds. Yields it, false if another run has it.

        If the process dies, the lease ends after `seconds`.
        """
        lease = Lease(Lock(self._redis, keys.lease(name), timeout=seconds, thread_local=False), seconds, longest)
        if not lease:
            yield lease
            return
        with lease.renewed():
            yield lease
