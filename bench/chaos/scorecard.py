"""The score card of a run, in Markdown."""

import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from bench.chaos.checks import API_FAULTS, CHECKS, explanation
from bench.chaos.history import History
from bench.chaos.run import Outcome

#: Findings shown per check.
MAX_FINDINGS = 12


THROTTLED = 429


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts, and seconds where noted."""

    attempts: int
    requests: int
    other_requests: int
    surplus: dict[str, int]
    throttled: int
    faults: dict[str, int]
    #: Webhooks: all, accepted ones, retries.
    pushes: tuple[int, int, int]
    #: Callbacks: all, repeats of an event, distinct events.
    callbacks: tuple[int, int, int]
    #: Of all committed attempts: p50, p99, max.
    lateness: tuple[float, float, float]
    #: Of each fault, from its end to the next claim that was committed, or the next webhook that the API accepted.
    recovery: tuple[float | None, ...]


def figures(history: History) -> Figures:
    asked = history.asked()
    attempts = [attempt for order in history.final_orders.values() for attempt in order.timeline]
    late = sorted(attempt.late for attempt in attempts)
    claims = sorted(each.attempt.claimed for each in asked if each.attempt)
    accepted = sorted(push.sent for push in history.pushes if push.accepted)
    events = {message.id for message in history.callbacks}
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
        callbacks=(len(history.callbacks), len(history.callbacks) - len(events), len(events)),
        lateness=(quantile(late, 0.5), quantile(late, 0.99), quantile(late, 1.0)),
        recovery=tuple(
            next((at - fault.end for at in (accepted if fault.kind in API_FAULTS else claims) if at > fault.end), None)
            for fault in history.faults
        ),
    )


def quantile(ascending: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie, 0 without values."""
    return ascending[min(int(share * len(ascending)), len(ascending) - 1)] if ascending else 0.0


def failures(history: History) -> dict[str, list[str]]:
    """Return what each check found wrong, by its name."""
    return {check.__name__: check(history) for check in CHECKS}


def passed(outcome: Outcome, found: Mapping[str, list[str]]) -> bool:
    return outcome.finished and not any(found.values())


def scorecard(
    outcome: Outcome, found: Mapping[str, list[str]], *, command: str, seed: int, software: Mapping[str, str]
) -> str:
    """Return the card; `software` are versions beyond those of installed packages."""
    return "\n".join(
        [
            f"# Chaos, seed {seed}: {'passed' if passed(outcome, found) else 'FAILED'}",
            "",
            f"`{command}` on {datetime.fromtimestamp(outcome.started, UTC):%Y-%m-%d %H:%M} UTC",
            "",
            *_figures(outcome, figures(outcome.history)),
            "",
            "## Verdict",
            "",
            *_verdict(outcome, found),
            "",
            "## Faults",
            "",
            *_faults(outcome, figures(outcome.history)),
            "",
            "## Versions",
            "",
            *_table(("software", "version"), _versions(software)),
            "",
        ]
    )


def _figures(outcome: Outcome, counted: Figures) -> Iterator[str]:
    history = outcome.history
    ways = Counter(order.route for order in history.submitted.values())
    kinds = Counter(fault.kind.value for fault in history.faults)
    surplus = ", ".join(f"{count} {why}" for why, count in counted.surplus.items()) or "none"
    rows = [
        ("orders", f"{len(history.submitted)} ({ways['task']} by `tasks.submit`, {ways['api']} by HTTP)"),
        ("duration", f"{outcome.seconds:.0f} s"),
        ("faults", ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())),
        ("submissions that were retried", str(outcome.retries)),
        ("status requests", str(counted.requests)),
        ("other requests (access tokens, lists)", str(counted.other_requests)),
        ("attempts committed", str(counted.attempts)),
        ("polls never committed, and why", surplus),
        ("responses with 429", str(counted.throttled)),
        ("webhooks: sent / accepted / retries", _slashed(counted.pushes)),
        ("callbacks: received / repeats / distinct events", _slashed(counted.callbacks)),
        ("provider faults", ", ".join(f"{count} {fault}" for fault, count in sorted(counted.faults.items()))),
        ("messages sent again by `polls`", str(outcome.resent)),
        ("events", str(len(history.stream))),
        ("lateness p50 / p99 / max", " / ".join(f"{value:.2f} s" for value in counted.lateness)),
        ("unexpected exits", str(len(history.exits))),
    ]
    return _table(("figure", "value"), rows)


def _slashed(counts: Sequence[int]) -> str:
    return " / ".join(str(count) for count in counts)


def _verdict(outcome: Outcome, found: Mapping[str, list[str]]) -> Iterator[str]:
    rows = [
        (name.replace("_", " "), "passed" if not wrong else f"{len(wrong)} x FAILED") for name, wrong in found.items()
    ]
    in_time = ("ended within the limit", "passed" if outcome.finished else "FAILED")
    yield from _table(("check", "verdict"), [in_time, *rows])
    for name, wrong in found.items():
        if wrong:
            yield from ("", f"### {name.replace('_', ' ')}", "")
            yield from (f"- {line}" for line in wrong[:MAX_FINDINGS])
            if len(wrong) > MAX_FINDINGS:
                yield f"- and {len(wrong) - MAX_FINDINGS} more"


def _faults(outcome: Outcome, counted: Figures) -> Iterator[str]:
    yield "Recovery: seconds from the end of the fault to the next claim whose attempt was committed."
    yield "For the API: to the next webhook that it accepted."
    yield ""
    rows = [
        (
            f"{fault.start - outcome.started:.1f} s",
            fault.kind.value,
            fault.target,
            f"{fault.end - fault.start:.2f} s",
            "-" if recovery is None else f"{recovery:.2f} s",
        )
        for fault, recovery in zip(outcome.history.faults, counted.recovery, strict=True)
    ]
    yield from _table(("at", "fault", "target", "duration", "recovery"), rows)


def _versions(software: Mapping[str, str]) -> list[tuple[str, str]]:
    packages = [(name, version(name)) for name in ("celery", "kombu", "redis", "requests")]
    return [("Python", platform.python_version()), *packages, *software.items()]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
