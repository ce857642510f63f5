"""Summaries of what is pending: events to deliver, or documents to fetch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True, slots=True)
class PendingSummary:
    """How many events or documents are pending, and the subject or order of the oldest.

    `oldest_at`: since when the oldest is pending, epoch seconds.
    """

    count: int
    oldest_at: float | None = None
    oldest: str | None = None

    def waited(self, now: float) -> float:
        """Return for how many seconds the oldest has been pending, 0.0 if nothing is."""
        return 0.0 if self.oldest_at is None else max(0.0, now - self.oldest_at)


def read_pending(redis: "Redis", index: str) -> PendingSummary:
    """Return the summary of a sorted set whose scores say since when (ms)."""
    pipe = redis.pipeline(transaction=False)
    pipe.zcard(index)
    pipe.zrange(index, 0, 0, withscores=True)
    count, oldest = pipe.execute()
    return PendingSummary(count, oldest[0][1] / 1_000, oldest[0][0]) if oldest else PendingSummary(count)


def read_oldest(redis: "Redis", index: str, count: int, offset: int = 0) -> list[tuple[str, float]]:
    """Return `count` entries of such a set from `offset` on, oldest first: (what, since when, epoch seconds)."""
    found = redis.zrange(index, offset, offset + count - 1, withscores=True)
    return [(name, since / 1_000) for name, since in cast("list[tuple[str, float]]", found)]
