"""Figures of a run, for the score card."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.chaos.checks import API_HITS, explanation
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
    #: Calls of providers: all, those that were accepted, those made again.
    pushes: tuple[int, int, int]
    #: Messages to backends: all, those whose event had come before, events that were told of.
    told: tuple[int, int, int]
    #: Of all settled attempts: p50, p99, max.
    lateness: tuple[float, float, float]
    #: Per hit, from its end to the next claim that was settled, or the next call that the API took; None where none
    #: followed.
    recovery: tuple[float | None, ...]


def figures(history: History) -> Figures:
    """Count."""
    asked = history.asked()
    attempts = [attempt for order in history.ended.values() for attempt in order.timeline]
    late = sorted(attempt.late for attempt in attempts)
    claims = sorted(each.attempt.claimed for each in asked if each.attempt)
    taken = sorted(push.sent for push in history.pushes if push.accepted)
    events = {message.id for message in history.told}
    surplus = (explanation(each, history) for each in asked if each.attempt is None)
    return Figures(
        attempts=len(attempts),
        requests=len(history.status_requests),
        other_requests=len(history.requests) - len(history.status_requests),
        surplus=dict(Counter(why or "unexplained" for why in surplus)),
        throttled=sum(request.status == THROTTLED for request in history.requests),
        faults=dict(Counter(request.fault for request in history.requests if request.fault)),
        pushes=(
            len(history.pushes),
            sum(push.accepted for push in history.pushes),
            sum(push.attempt > 1 for push in history.pushes),
        ),
        told=(len(history.told), len(history.told) - len(events), len(events)),
        lateness=(quantile(late, 0.5), quantile(late, 0.99), quantile(late, 1.0)),
        recovery=tuple(
            next((at - hit.end for at in (taken if hit.kind in API_HITS else claims) if at > hit.end), None)
            for hit in history.hits
        ),
    )


def quantile(ascending: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie; 0 where there are none."""
    return ascending[min(int(share * len(ascending)), len(ascending) - 1)] if ascending else 0.0
