"""One run at a time: any number of beats may start a sweep, one run of it works."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from willcall.stores import keys
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis


class LeaseStore:
    """Leases in Redis."""

    def __init__(self, redis: "Redis") -> None:
        """`redis` decodes responses."""
        self._redis = redis
        self._unlock = load(redis, "unlock")

    @contextmanager
    def held(self, name: str, seconds: float) -> Iterator[bool]:
        """Whether the lease `name` is ours; it ends with the block, or after `seconds` if we die."""
        key, token = keys.lease(name), uuid4().hex
        ours = bool(self._redis.set(key, token, nx=True, px=int(seconds * 1_000)))
        try:
            yield ours
        finally:
            if ours:
                self._unlock(keys=[key], args=[token])
