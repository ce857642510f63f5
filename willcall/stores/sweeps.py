"""The last run of each sweep, and the items at which it failed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from willcall.stores import keys
from willcall.stores.codec import compact_json

if TYPE_CHECKING:
    from redis import Redis

#: Seconds after the last failure until a sweep's failures expire.
FAILURES_KEPT = 7 * 86_400


@dataclass(frozen=True, slots=True)
class SweepRun:
    """One run: when it ended (epoch seconds, the server's clock), how long it took, its counts or its error."""

    at: float
    seconds: float
    counts: Mapping[str, int]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ItemFailures:
    """How many times in a row a sweep failed at an item, and until when (epoch seconds) it skips it."""

    times: int
    until: float


class SweepStore:
    """Runs of sweeps in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def record_success(self, name: str, at: float, seconds: float, counts: Mapping[str, int]) -> None:
        """Record a run without an error."""
        self._keep(name, SweepRun(at, seconds, counts))

    def record_failure(self, name: str, at: float, seconds: float, error: str) -> None:
        """Record a run that ended with an error: its name only, because its text may hold secrets."""
        self._keep(name, SweepRun(at, seconds, {}, error))

    def last_runs(self) -> Mapping[str, SweepRun]:
        """Return the last run of each sweep that ever ran, by name."""
        runs = cast("dict[str, str]", self._redis.hgetall(keys.SWEEPS))
        return {name: SweepRun(*json.loads(text)[:4]) for name, text in runs.items()}

    def position(self, name: str) -> str:
        """Return where the last run stopped for lack of time, empty if it finished."""
        return cast("str | None", self._redis.hget(keys.SWEEP_POSITIONS, name)) or ""

    def save_position(self, name: str, position: str) -> None:
        """Save where a run stopped: the last item it processed, empty if it finished."""
        if position:
            self._redis.hset(keys.SWEEP_POSITIONS, name, position)
        else:
            self._redis.hdel(keys.SWEEP_POSITIONS, name)

    def failing_items(self, name: str) -> dict[str, ItemFailures]:
        """Return the items at which a sweep fails."""
        found = cast("dict[str, str]", self._redis.hgetall(keys.sweep_failures(name)))
        return {item: ItemFailures(*json.loads(text)[:2]) for item, text in found.items()}

    def record_item_failure(self, name: str, item: str, failing: ItemFailures) -> None:
        """Record that a sweep failed at an item."""
        key = keys.sweep_failures(name)
        pipe = self._redis.pipeline()
        pipe.hset(key, item, compact_json([failing.times, round(failing.until, 3)]))
        pipe.expire(key, FAILURES_KEPT)
        pipe.execute()

    def clear_item_failure(self, name: str, item: str) -> None:
        """Record that a sweep no longer fails at an item."""
        self._redis.hdel(keys.sweep_failures(name), item)

    def _keep(self, name: str, run: SweepRun) -> None:
        text = compact_json([round(run.at, 3), round(run.seconds, 3), dict(run.counts), run.error])
        self._redis.hset(keys.SWEEPS, name, text)
