"""How the last run of each sweep went."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from willcall.stores import keys
from willcall.stores.codec import compact_json

if TYPE_CHECKING:
    from redis import Redis

#: Seconds after the last failure after which those of a sweep are forgotten.
FAILURES_KEPT = 7 * 86_400


@dataclass(frozen=True, slots=True)
class SweepRun:
    """One run: when it ended (epoch seconds, the server's clock), how long it took, what it did, or why it failed."""

    at: float
    seconds: float
    counts: Mapping[str, int]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ItemFailures:
    """How many times in a row a sweep has failed at something, and until when (epoch seconds) it leaves it alone."""

    times: int
    until: float


class SweepStore:
    """Runs of sweeps in Redis."""

    def __init__(self, redis: "Redis") -> None:
        """`redis` decodes responses."""
        self._redis = redis

    def record_success(self, name: str, at: float, seconds: float, counts: Mapping[str, int]) -> None:
        """A sweep has done its work."""
        self._keep(name, SweepRun(at, seconds, counts))

    def record_failure(self, name: str, at: float, seconds: float, error: str) -> None:
        """A sweep ended with an error, whose name `error` is; its text might hold what nobody should read."""
        self._keep(name, SweepRun(at, seconds, {}, error))

    def last_runs(self) -> Mapping[str, SweepRun]:
        """The last run of each sweep that ever ran, by its name."""
        runs = cast("dict[str, str]", self._redis.hgetall(keys.SWEEPS))
        return {name: SweepRun(*json.loads(text)) for name, text in runs.items()}

    def position(self, name: str) -> str:
        """Where the last run of a sweep stopped for lack of time, '' if it came to its end."""
        return cast("str | None", self._redis.hget(keys.SWEEP_POSITIONS, name)) or ""

    def save_position(self, name: str, position: str) -> None:
        """Remember where a run stopped: the name of the last thing that it worked on, '' for the end."""
        if position:
            self._redis.hset(keys.SWEEP_POSITIONS, name, position)
        else:
            self._redis.hdel(keys.SWEEP_POSITIONS, name)

    def failing_items(self, name: str) -> dict[str, ItemFailures]:
        """What a sweep fails at again and again."""
        found = cast("dict[str, str]", self._redis.hgetall(keys.sweep_failures(name)))
        return {item: ItemFailures(*json.loads(text)) for item, text in found.items()}

    def record_item_failure(self, name: str, item: str, failing: ItemFailures) -> None:
        """Remember that a sweep fails at an item; it is forgotten when nothing has failed for a while."""
        key = keys.sweep_failures(name)
        pipe = self._redis.pipeline()
        pipe.hset(key, item, compact_json([failing.times, round(failing.until, 3)]))
        pipe.expire(key, FAILURES_KEPT)
        pipe.execute()

    def clear_item_failure(self, name: str, item: str) -> None:
        """A sweep no longer fails at an item."""
        self._redis.hdel(keys.sweep_failures(name), item)

    def _keep(self, name: str, run: SweepRun) -> None:
        text = compact_json([round(run.at, 3), round(run.seconds, 3), dict(run.counts), run.error])
        self._redis.hset(keys.SWEEPS, name, text)
