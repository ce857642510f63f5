"""Figures of a run, for the score card."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.chaos.checks import explanation
from bench.chaos.history import History

#: An outcome of the timeline that the provider's 429 became.
THROTTLED = 429


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts, and seconds where a name says so."""

    attempts: int
    requests: int
    other_requests: int
    surplus: dict[str, int]
    throttled: int
    faults: dict[str, int]
    #: Of all settled attempts: p50, p99, max.
    lateness: tuple[float, float, float]
    #: Per hit, from its end to the next claim that was settled; None where none followed.
    recovery: tuple[float | None, ...]


def figures(history: History) -> Figures:
    """Count."""
    asked = history.asked()
    attempts = [attempt for order in history.ended.values() for attempt in order.timeline]
    late = sorted(attempt.late for attempt in attempts)
    claims = sorted(each.attempt.claimed for each in asked if each.attempt)
    surplus = (explanation(each, history.hits, history.deaths) for each in asked if each.attempt is None)
    return Figures(
        attempts=len(attempts),
        requests=len(history.status_requests),
        other_requests=len(history.requests) - len(history.status_requests),
        surplus=dict(Counter(why or "unexplained" for why in surplus)),
        throttled=sum(request.status == THROTTLED for request in history.requests),
        faults=dict(Counter(request.fault for request in history.requests if request.fault)),
        lateness=(quantile(late, 0.5), quantile(late, 0.99), quantile(late, 1.0)),
        recovery=tuple(
            next((claimed - hit.end for claimed in claims if claimed > hit.end), None) for hit in history.hits
        ),
    )


def quantile(ascending: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie; 0 where there are none."""
    return ascending[min(int(share * len(ascending)), len(ascending) - 1)] if ascending else 0.0
