"""How the last run of each sweep went."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from willcall.stores import keys
from willcall.stores.codec import compact

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True, slots=True)
class SweepRun:
    """One run: when it ended (epoch seconds, the server's clock), how long it took, what it did, or why it failed."""

    at: float
    seconds: float
    counts: Mapping[str, int]
    error: str | None = None


class SweepStore:
    """Runs of sweeps in Redis."""

    def __init__(self, redis: "Redis") -> None:
        """`redis` decodes responses."""
        self._redis = redis

    def ran(self, name: str, at: float, seconds: float, counts: Mapping[str, int]) -> None:
        """A sweep has done its work."""
        self._keep(name, SweepRun(at, seconds, counts))

    def failed(self, name: str, at: float, seconds: float, error: str) -> None:
        """A sweep ended with an error, whose name `error` is; its text might hold what nobody should read."""
        self._keep(name, SweepRun(at, seconds, {}, error))

    def last(self) -> Mapping[str, SweepRun]:
        """The last run of each sweep that ever ran, by its name."""
        runs = cast("dict[str, str]", self._redis.hgetall(keys.SWEEPS))
        return {name: SweepRun(*json.loads(text)) for name, text in runs.items()}

    def _keep(self, name: str, run: SweepRun) -> None:
        text = compact([round(run.at, 3), round(run.seconds, 3), dict(run.counts), run.error])
        self._redis.hset(keys.SWEEPS, name, text)
