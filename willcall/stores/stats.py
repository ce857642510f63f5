"""Counters of the recent past, of all workers together: `commit.lua` adds to them in the step that they count."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from willcall.stores import keys

if TYPE_CHECKING:
    from redis import Redis

_MINUTE, _HOUR = 60, 3_600


class StatsStore:
    """The counters in Redis, by its clock: one hash per minute and one per hour.

    `willcall.orders.measures` says what there is to count.
    """

    def __init__(self, redis: "Redis") -> None:
        """`redis` decodes responses."""
        self._redis = redis

    def last_minutes(self, minutes: int) -> Mapping[str, Counter[str]]:
        """Account key -> measure -> count in this minute and those before it, `minutes` (60 at most) in all."""
        this = self._now() // _MINUTE
        wanted = [keys.stats_minute(this - ago) for ago in range(minutes)]
        return _by_account(self._read(wanted))

    def last_hours(self, hours: int) -> list[tuple[float, Mapping[str, Counter[str]]]]:
        """The same for this hour and those before it, `hours` (48 at most) in all, oldest first.

        Each with its beginning, epoch seconds.
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
