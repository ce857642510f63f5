"""The plan of faults: a pure function of the seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

#: Seconds before the first fault and after the last one.
QUIET = 5.0
#: Workers and beats that run at a time; there is one API, for providers call one address.
PAIR = 2


class FaultKind(StrEnum):
    WORKER_KILL = "worker killed"
    WORKER_TERM = "worker stopped"
    WORKER_FREEZE = "worker frozen"
    BEAT_KILL = "beat killed"
    API_KILL = "API killed"
    API_TERM = "API stopped"
    REDIS_KILL = "Redis killed"
    REDIS_FREEZE = "Redis frozen"
    REDIS_READONLY = "Redis read-only"
    REDIS_FULL = "Redis out of memory"
    CLIENTS_KILL = "connections cut"


#: Faults during which nothing can be written to Redis.
OUTAGES = frozenset({FaultKind.REDIS_KILL, FaultKind.REDIS_FREEZE, FaultKind.REDIS_READONLY, FaultKind.REDIS_FULL})


#: Shortest and longest duration of each, in seconds. A worker is frozen for less than the margin of its leases, 5 s.
DURATIONS: dict[FaultKind, tuple[float, float]] = {
    FaultKind.WORKER_FREEZE: (1.0, 4.5),
    FaultKind.REDIS_KILL: (0.5, 3.0),
    FaultKind.REDIS_FREEZE: (1.0, 10.0),
    FaultKind.REDIS_READONLY: (0.5, 5.0),
    FaultKind.REDIS_FULL: (0.5, 5.0),
}
#: Faults of one track follow each other after a pause (shortest, longest; seconds). Tracks are independent.
TRACKS: tuple[tuple[Sequence[FaultKind], tuple[float, float]], ...] = (
    ((FaultKind.WORKER_KILL, FaultKind.WORKER_TERM, FaultKind.WORKER_FREEZE, FaultKind.BEAT_KILL), (1.5, 6.0)),
    ((*sorted(OUTAGES), FaultKind.CLIENTS_KILL), (4.0, 10.0)),
    ((FaultKind.API_KILL, FaultKind.API_TERM), (7.0, 15.0)),
)


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault `at` seconds after the start, for `lasts` seconds, in the first or second process of a pair."""

    at: float
    kind: FaultKind
    target: int
    lasts: float = 0.0


def plan_faults(seed: int, seconds: float) -> list[PlannedFault]:
    """Return the faults of a run of `seconds`, in order of time."""
    random = Random(seed)
    faults = [fault for kinds, gap in TRACKS for fault in _track(random, kinds, gap, seconds - QUIET)]
    return sorted(faults, key=lambda fault: fault.at)


def _track(random: Random, kinds: Sequence[FaultKind], gap: tuple[float, float], end: float) -> Iterator[PlannedFault]:
    """Yield every kind once in random order, then every kind again, and so on."""
    at, remaining = QUIET, list[FaultKind]()
    while True:
        remaining = remaining or random.sample(kinds, len(kinds))
        kind = remaining.pop()
        at += random.uniform(*gap)
        lasts = round(random.uniform(*DURATIONS[kind]), 2) if kind in DURATIONS else 0.0
        if at + lasts > end:
            return
        yield PlannedFault(round(at, 2), kind, random.randrange(PAIR), lasts)
        at += lasts
