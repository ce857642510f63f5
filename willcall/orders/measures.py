"""What a commit adds to the statistics: how late an attempt was, what came back, how an order ended, how long it took.

Pure. Durations are counted in buckets: enough to say what share of them were short, and cheap to add up.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from willcall.orders.model import Attempt, Order, Status
from willcall.orders.states import FINAL

#: Measures of durations.
LATENESS, TIME_TO_TICKET = "late", "ticket"
#: Measures that count names.
OUTCOME, ENDED = "outcome", "ended"

_MINUTE, _HOUR = 60.0, 3_600.0

#: Upper bounds of the buckets, seconds; what is longer than the last is in a bucket without one.
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
    """What one commit says. Seconds; None where it says nothing of that kind.

    `late`: how long after its due time the attempt began. `ticket`: from submission, or `not_before` where that is
    later, to the tickets.
    """

    outcome: str | None = None
    late: float | None = None
    ended: Status | None = None
    ticket: float | None = None


def commit_statistics(before: Order, after: Order, attempt: Attempt | None) -> CommitStatistics:
    """What the change from `before` to `after` says; `attempt` where it follows a request to the provider."""
    ended = after.status if after.status in FINAL and after.status is not before.status else None
    ticket = None
    if ended is Status.FULFILLED and after.finished_at is not None:
        ticket = max(0.0, after.finished_at - max(after.submitted_at, after.not_before or 0.0))
    if attempt is None:
        return CommitStatistics(ended=ended, ticket=ticket)
    return CommitStatistics(attempt.outcome, max(0.0, attempt.late), ended, ticket)


def counter_names(measured: CommitStatistics) -> tuple[str, ...]:
    """The counters that go up by one, as `<measure>:<name or bucket>`."""
    found = []
    if measured.outcome is not None:
        found.append(f"{OUTCOME}:{measured.outcome}")
    if measured.late is not None:
        found.append(f"{LATENESS}:{bucket(LATENESS, measured.late)}")
    if measured.ended is not None:
        found.append(f"{ENDED}:{measured.ended}")
    if measured.ticket is not None:
        found.append(f"{TIME_TO_TICKET}:{bucket(TIME_TO_TICKET, measured.ticket)}")
    return tuple(found)


def bucket(measure_name: str, seconds: float) -> str:
    """The name of the bucket that a duration falls into: its upper bound, which belongs to it."""
    ends = (*BUCKET_BOUNDS[measure_name], inf)
    return f"{ends[bisect_left(ends, seconds)]:g}"


def quantile(counts: Mapping[str, int], measure: str, q: float) -> float | None:
    """What a share `q` (0 to 1) of the durations are at most, seconds; None where there are none.

    It is the end of a bucket, as no more is known: infinity, where it is the last one.
    """
    numbers = [(end, counts.get(f"{measure}:{end:g}", 0)) for end in (*BUCKET_BOUNDS[measure], inf)]
    wanted, below = q * sum(number for _, number in numbers), 0
    for end, number in numbers:
        below += number
        if number and below >= wanted:
            return end
    return None
