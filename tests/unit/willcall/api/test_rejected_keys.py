"""Wrong keys: what is logged, counted and delayed, without a clock."""

from typing import Any

import pytest
from anyio import Event, create_task_group, run
from anyio.lowlevel import checkpoint

from willcall.api import rejected_keys
from willcall.api.rejected_keys import FREE, LONGEST_DELAY, KeyKind, RejectedKeys

GUESSER, OTHER = "192.0.2.1", "192.0.2.2"


class Harness:
    """Rejected keys whose clock stands still, and the delays of their answers."""

    def __init__(self) -> None:
        self.now = 0.0
        self.delays: list[float] = []
        self.keys = RejectedKeys(lambda: self.now, self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)

    def guess(self, address: str, count: int) -> None:
        for _ in range(count):
            self.keys.record(KeyKind.API, address)
            run(self.keys.delay, KeyKind.API, address)


def test_wrong_keys_are_logged_only_some_times_per_address_and_minute() -> None:
    h = Harness()
    assert [h.keys.record(KeyKind.LOGIN, GUESSER) for _ in range(FREE + 2)] == [True] * FREE + [False] * 2
    assert h.keys.record(KeyKind.LOGIN, OTHER)
    assert h.keys.record(KeyKind.API, GUESSER), "a backend with a wrong key does not keep operators from the log"
    h.now = 61.0
    assert h.keys.record(KeyKind.LOGIN, GUESSER)


def test_answers_come_later_the_more_wrong_keys_came_from_an_address() -> None:
    h = Harness()
    h.guess(GUESSER, FREE)
    h.guess(OTHER, 1)
    assert h.delays == []
    h.guess(GUESSER, 40)
    assert h.delays[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert h.delays == sorted(h.delays)
    assert h.delays[-1] == LONGEST_DELAY
    h.now, h.delays = 61.0, []
    h.guess(GUESSER, 1)
    assert h.delays == []


def test_a_limited_number_of_answers_is_delayed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejected_keys, "MOST_DELAYED", 3)
    sleeping = answered = 0

    async def guess_at_once() -> None:
        end = Event()

        async def sleep(_: float) -> None:
            nonlocal sleeping
            sleeping += 1
            await end.wait()

        async def ask() -> None:
            nonlocal answered
            await keys.delay(KeyKind.API, GUESSER)
            answered += 1

        keys = RejectedKeys(lambda: 0.0, sleep)
        for _ in range(FREE + 1):
            keys.record(KeyKind.API, GUESSER)
        async with create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
            while sleeping + answered < 5:
                await checkpoint()
            assert (sleeping, answered) == (3, 2)
            end.set()

    run(guess_at_once)
    assert answered == 5


def test_addresses_are_forgotten_and_each_kind_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejected_keys, "_ADDRESSES", 2)
    h = Harness()
    for _ in range(FREE):
        h.keys.record(KeyKind.LOGIN, GUESSER)
    for address in (OTHER, "192.0.2.3", GUESSER):
        assert h.keys.record(KeyKind.API, address)
    counted: dict[Any, float] = {
        sample.labels["where"]: sample.value
        for metric in h.keys.counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    assert counted == {"login": FREE, "api": 3}
