"""What a run of the bench finds out. By name where there are several: a contestant's, or what the API is asked."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """A window of full load: what was done (polls, orders, ...), its length and the CPU time, both in seconds."""

    count: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """So many a second."""
        return self.count / self.seconds

    @property
    def cost(self) -> float:
        """Milliseconds of CPU time for each."""
        return 1_000 * self.cpu / self.count


@dataclass(frozen=True, slots=True)
class Speed:
    """Full load at a provider that answers after `latency` seconds."""

    threads: int
    latency: float
    windows: Mapping[str, list[Window]]


@dataclass(frozen=True, slots=True)
class Submission:
    """Orders per second that are taken, round by round."""

    one_by_one: list[float]
    batch: list[float]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Many orders wait while others are polled at half load.

    `worker` and `redis`: bytes per waiting order. `rate`: polls per second that were made. `late`: by how many
    seconds, window by window.
    """

    orders: int
    worker: float
    redis: float
    rate: float
    late: list[list[float]]


@dataclass(frozen=True, slots=True)
class Recovery:
    """The only worker is killed and another one started.

    How many seconds after that, or after they were due where that is later, orders were asked for again: those that
    waited at the kill, and those that were being worked on. None is not within `patience` seconds.
    """

    patience: float
    waiting: list[float | None]
    in_flight: list[float | None]


@dataclass(frozen=True, slots=True)
class Results:
    """All of it. `machine`: what it ran on, in words."""

    machine: Mapping[str, str]
    speed: list[Speed]
    submission: Mapping[str, Submission]
    waiting: Mapping[str, Waiting]
    recovery: Mapping[str, Recovery]
    api: Mapping[str, list[Window]]
