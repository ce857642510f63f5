"""The results of a run, and the statistics made of them. Mappings are by the name of a system or of a kind of call."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Window:
    """A window of full load: the number of polls or calls, its length and the CPU time, both in seconds."""

    count: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    @property
    def cost(self) -> float:
        """CPU time for each, in milliseconds."""
        return 1_000 * self.cpu / self.count


@dataclass(frozen=True, slots=True)
class Speed:
    """Full load with a provider that responds after `latency` seconds."""

    threads: int
    latency: float
    windows: Mapping[str, list[Window]]


@dataclass(frozen=True, slots=True)
class Submission:
    """Orders per second that are submitted, round by round."""

    one_by_one: list[float]
    batch: list[float]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Many orders wait while others are polled at half load.

    `worker` and `redis` are bytes per waiting order, `rate` is the polls per second of the others, and `late` by how
    many seconds each was late, window by window.
    """

    orders: int
    worker: float
    redis: float
    rate: float
    late: list[list[float]]


@dataclass(frozen=True, slots=True)
class Recovery:
    """The only worker is killed and another one started.

    `waiting` and `in_flight` are the seconds until orders were polled again, counted from the start, or from their due
    time where that is later; `None` if not within `patience` seconds.
    """

    patience: float
    waiting: list[float | None]
    in_flight: list[float | None]


@dataclass(frozen=True, slots=True)
class Results:
    machine: Mapping[str, str]
    speed: list[Speed]
    submission: Mapping[str, Submission]
    waiting: Mapping[str, Waiting]
    recovery: Mapping[str, Recovery]
    api: Mapping[str, list[Window]]


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least a `share` (0 to 1) of the values do not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def ratios(ours: Iterable[float], theirs: Iterable[float]) -> list[float]:
    """Return the ratio of each round, so that what slows a whole round down cancels out."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def by_window(attempts: Iterable[tuple[float, float]], opened: float, seconds: float, count: int) -> list[list[float]]:
    """Sort (time, value) pairs into `count` consecutive windows from `opened` on, and drop the others."""
    windows: list[list[float]] = [[] for _ in range(count)]
    for at, value in attempts:
        if opened <= at < opened + count * seconds:
            windows[int((at - opened) // seconds)].append(value)
    return windows


def spread(values: Sequence[float]) -> str:
    """Return the range of values as text."""
    digits = 0 if min(values) >= 100 else 2
    return f"{min(values):,.{digits}f} to {max(values):,.{digits}f}"
