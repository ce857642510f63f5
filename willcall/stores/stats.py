"""Counters of the last hours over all workers. `lua/commit.lua` increments them in the step that they count."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from willcall.stores import keys

if TYPE_CHECKING:
    from redis import Redis

_MINUTE, _HOUR = 60, 3_600


class StatsStore:
    """Counters in Redis: one hash per minute and one per hour, by the server's clock.

    `willcall.orders.statistics` defines what is counted.
    """

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def last_minutes(self, minutes: int) -> Mapping[str, Counter[str]]:
        """Return the counts of the last `minutes` (60 at most), this one included: account key -> measure -> count."""
        this = self._now() // _MINUTE
        wanted = [keys.stats_minute(this - ago) for ago in range(minutes)]
        return _by_account(self._read(wanted))

    def last_hours(self, hours: int) -> list[tuple[float, Mapping[str, Counter[str]]]]:
        """Return the counts of each of the last `hours` (48 at most), this one included, oldest first.

        Each comes with its start, in epoch seconds.
        """
        this = self._now() // _HOUR
        wanted = range(this - hours + 1, this + 1)
        found = self._read([keys.stats_hour(hour) for hour in wanted])
        return [(float(hour * _HOUR), _by_account([one])) for hour, one in zip(wanted, found, strict=True)]

    def _read(self, names: Sequence[str]) -> list[dict[str, str]]:
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(name)
        found: list[dict[str, str]] = pipe.execute()
        return found

    def _now(self) -> int:
        return int(self._redis.time()[0])


def _by_account(found: Sequence[Mapping[str, str]]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for one in found:
        for name, count in one.items():
            account, measures = keys.read_counter(name)
            counts.setdefault(account, Counter()).update(dict.fromkeys(measures, int(count)))
    return counts
