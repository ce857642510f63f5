"""What is made of measured values."""

import statistics
from collections.abc import Iterable, Sequence
from math import ceil


def median(values: Iterable[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least a `share` (0 to 1) of the values do not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def ratios(ours: Iterable[float], theirs: Iterable[float]) -> list[float]:
    """Round by round, ours by theirs: what slows a whole round down cancels out."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def by_window(attempts: Iterable[tuple[float, float]], opened: float, seconds: float, count: int) -> list[list[float]]:
    """Sort (when, value) into `count` windows that follow each other from `opened` on; others are left out."""
    windows: list[list[float]] = [[] for _ in range(count)]
    for at, value in attempts:
        if opened <= at < opened + count * seconds:
            windows[int((at - opened) // seconds)].append(value)
    return windows


def spread(values: Sequence[float]) -> str:
    """From the least to the most."""
    digits = 0 if min(values) >= 100 else 2  # noqa: PLR2004 - hundreds need no fractions
    return f"{min(values):,.{digits}f} to {max(values):,.{digits}f}"
