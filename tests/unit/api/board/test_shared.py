"""What is read once for all who look at the board."""

from itertools import count

import pytest

from api.board import overview
from api.board.overview import LONGEST, Shared


class Clock:
    """Counts seconds as it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(overview, "monotonic", lambda: self.now)


def slow(clock: Clock, seconds: float) -> Shared[int]:
    """A value that counts how often it was read, each time for so long."""
    reads = count(1)

    def read() -> int:
        clock.now += seconds
        return next(reads)

    return Shared(read)


def test_what_takes_long_to_read_is_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    value = slow(clock, 0.02)
    assert value.get() == 1
    clock.now += 1.0
    assert value.get() == 1
    clock.now += 1.1
    assert value.get() == 2


def test_after_a_read_that_was_held_up_the_page_is_not_old_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    value = slow(clock, 3.9)
    assert value.get() == 1
    clock.now += LONGEST + 0.1
    assert value.get() == 2
