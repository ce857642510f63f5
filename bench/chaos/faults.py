"""What is hit, and when: a pure function of the seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

#: Seconds before the first hit and after the last one.
QUIET = 5.0
#: Workers and beats that run at a time; there is one API, for providers call one address.
PAIR = 2


class FaultKind(StrEnum):
    """A way to hit a process."""

    WORKER_KILL = "worker killed"
    WORKER_TERM = "worker told to stop"
    WORKER_FREEZE = "worker frozen"
    BEAT_KILL = "beat killed"
    API_KILL = "API killed"
    API_TERM = "API told to stop"
    REDIS_KILL = "Redis killed"
    REDIS_FREEZE = "Redis frozen"
    REDIS_READONLY = "Redis read-only"
    REDIS_FULL = "Redis out of memory"
    CLIENTS_KILL = "connections cut"


#: While one of these lasts nothing can be written, whether Redis answers or not.
OUTAGES = frozenset({FaultKind.REDIS_KILL, FaultKind.REDIS_FREEZE, FaultKind.REDIS_READONLY, FaultKind.REDIS_FULL})


#: How long each lasts, seconds: from, to. A worker is frozen for less than the margin of its leases, 5 s.
DURATIONS: dict[FaultKind, tuple[float, float]] = {
    FaultKind.WORKER_FREEZE: (1.0, 4.5),
    FaultKind.REDIS_KILL: (0.5, 3.0),
    FaultKind.REDIS_FREEZE: (1.0, 10.0),
    FaultKind.REDIS_READONLY: (0.5, 5.0),
    FaultKind.REDIS_FULL: (0.5, 5.0),
}
#: Hits of one track follow each other; the tracks do not know of one another. With seconds in between: from, to.
TRACKS: tuple[tuple[Sequence[FaultKind], tuple[float, float]], ...] = (
    ((FaultKind.WORKER_KILL, FaultKind.WORKER_TERM, FaultKind.WORKER_FREEZE, FaultKind.BEAT_KILL), (1.5, 6.0)),
    ((*sorted(OUTAGES), FaultKind.CLIENTS_KILL), (4.0, 10.0)),
    ((FaultKind.API_KILL, FaultKind.API_TERM), (7.0, 15.0)),
)


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A hit to come: `at` seconds after the start, for `lasts` seconds, on the first or second of a pair."""

    at: float
    kind: FaultKind
    target: int
    lasts: float = 0.0


def plan_faults(seed: int, seconds: float) -> list[PlannedFault]:
    """The hits of a run of `seconds`, in order of time."""
    random = Random(seed)  # noqa: S311 - has to be repeatable
    blows = [blow for kinds, gap in TRACKS for blow in _track(random, kinds, gap, seconds - QUIET)]
    return sorted(blows, key=lambda blow: blow.at)


def _track(random: Random, kinds: Sequence[FaultKind], gap: tuple[float, float], end: float) -> Iterator[PlannedFault]:
    """Every kind once, in any order, before any comes again."""
    at, bag = QUIET, list[FaultKind]()
    while True:
        bag = bag or random.sample(kinds, len(kinds))
        kind = bag.pop()
        at += random.uniform(*gap)
        lasts = round(random.uniform(*DURATIONS[kind]), 2) if kind in DURATIONS else 0.0
        if at + lasts > end:
            return
        yield PlannedFault(round(at, 2), kind, random.randrange(PAIR), lasts)
        at += lasts
