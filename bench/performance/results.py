"""What a run of the bench finds out. By contestant's name where there are several."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """A window of full load: polls, its length and the worker's CPU time, both in seconds."""

    polls: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Polls per second."""
        return self.polls / self.seconds

    @property
    def cost(self) -> float:
        """Milliseconds of the worker's CPU time per poll."""
        return 1_000 * self.cpu / self.polls


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
