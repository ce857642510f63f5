"""What a commit adds to the statistics: how late an attempt was, its outcome, how an order ended, its time to ticket.

Durations are counted in buckets, which are cheap to add up and show what share was shorter than a bound.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from willcall.orders.model import FINAL, Attempt, Order, Status

#: Statistics of durations.
LATENESS, TIME_TO_TICKET = "late", "ticket"
#: Statistics that count names.
OUTCOME, ENDED = "outcome", "ended"

_MINUTE, _HOUR = 60.0, 3_600.0

#: Upper bounds of the buckets in seconds. A further bucket holds what is longer than the last bound.
BUCKET_BOUNDS: dict[str, tuple[float, ...]] = {
    LATENESS: (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR),
    TIME_TO_TICKET: (
        *(1, 2.5, 5, 10, 20, 30),
        *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 20, 30)),
        *(hours * _HOUR for hours in (1, 2, 4, 8, 12, 24)),
    ),
}


@dataclass(frozen=True, slots=True)
class CommitStatistics:
    """What one commit adds; `None` for kinds to which it adds nothing. Durations are in seconds.

    `late` is how long after its due time the attempt began. `ticket` is the time to the tickets from submission, or
    from `not_before` if that is later.
    """

    outcome: str | None = None
    late: float | None = None
    ended: Status | None = None
    ticket: float | None = None


def commit_statistics(before: Order, after: Order, attempt: Attempt | None) -> CommitStatistics:
    """Return what the change from `before` to `after` adds; `attempt` is the poll that it follows, if any."""
    ended = after.status if after.status in FINAL and after.status is not before.status else None
    ticket = None
    if ended is Status.FULFILLED and after.finished_at is not None:
        ticket = max(0.0, after.finished_at - max(after.submitted_at, after.not_before or 0.0))
    if attempt is None:
        return CommitStatistics(ended=ended, ticket=ticket)
    return CommitStatistics(attempt.outcome, max(0.0, attempt.late), ended, ticket)


def counter_names(statistics: CommitStatistics) -> tuple[str, ...]:
    """Return the counters that go up by one, as `<statistic>:<name or bucket>`."""
    names = []
    if statistics.outcome is not None:
        names.append(f"{OUTCOME}:{statistics.outcome}")
    if statistics.late is not None:
        names.append(f"{LATENESS}:{bucket(LATENESS, statistics.late)}")
    if statistics.ended is not None:
        names.append(f"{ENDED}:{statistics.ended}")
    if statistics.ticket is not None:
        names.append(f"{TIME_TO_TICKET}:{bucket(TIME_TO_TICKET, statistics.ticket)}")
    return tuple(names)


def bucket(statistic: str, seconds: float) -> str:
    """Return the name of a duration's bucket: its upper bound, which is inclusive."""
    bounds = (*BUCKET_BOUNDS[statistic], inf)
    return f"{bounds[bisect_left(bounds, seconds)]:g}"


def quantile(counts: Mapping[str, int], statistic: str, q: float) -> float | None:
    """Return the bound, in seconds, below which a share `q` (0 to 1) of the durations are; `None` without any.

    The result is the upper bound of a bucket: infinity for the last one.
    """
    numbers = [(bound, counts.get(f"{statistic}:{bound:g}", 0)) for bound in (*BUCKET_BOUNDS[statistic], inf)]
    wanted, below = q * sum(number for _, number in numbers), 0
    for bound, number in numbers:
        below += number
        if number and below >= wanted:
            return bound
    return None
