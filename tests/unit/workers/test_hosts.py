"""One dead backend delays nobody else, however many events wait for it."""

from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from tasks.queues import NOTIFY
from workers.bulkhead import bulkhead
from workers.host_limits import LATEST, SLOW, Hosts
from workers.host_lines import SOONEST

THREADS = 8


@dataclass
class Line:
    """Hosts by a clock of the test's own."""

    now: float = 0.0
    hosts: Hosts = field(init=False)

    def __post_init__(self) -> None:
        self.hosts = Hosts(bulkhead(THREADS, [NOTIFY], []), THREADS, lambda: self.now)

    def tell(self, host: str, seconds: float) -> float:
        with self.hosts.place(host) as wait:
            self.now += seconds
        return wait

    def fill(self, stack: ExitStack, host: str) -> int:
        """Take places until there is no room: how many it were."""
        taken = 0
        while not stack.enter_context(self.hosts.place(host)):
            taken += 1
        return taken


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_host_begins_with_one_thread(line: Line) -> None:
    with ExitStack() as stack:
        assert [line.fill(stack, host) for host in ("a", "b", "c", "d", "e")] == [1, 1, 1, 1, 0]


def test_a_quick_host_leaves_one_of_the_callbacks_threads_to_another(line: Line) -> None:
    line.tell("a", 0.1)
    line.tell("b", 0.1)
    with ExitStack() as stack:
        assert [line.fill(stack, host) for host in ("a", "b", "c")] == [3, 1, 0]


def test_slow_hosts_share_a_few_threads(line: Line) -> None:
    for host in ("a", "b", "c"):
        assert line.tell(host, SLOW) == 0
    line.tell("quick", 0)
    with ExitStack() as stack:
        assert [line.fill(stack, host) for host in ("a", "b", "c")] == [2, 0, 0]
        assert line.fill(stack, "quick") >= 2


def test_a_slow_host_that_is_quick_again_is_like_any_other(line: Line) -> None:
    line.tell("a", SLOW)
    line.tell("b", SLOW)
    line.tell("b", SLOW / 2)
    with ExitStack() as stack:
        assert line.fill(stack, "a") == 2
        assert line.fill(stack, "b") == 3
        assert line.fill(stack, "c") == 1


def test_those_without_room_come_back_one_after_the_other(line: Line) -> None:
    line.tell("a", 15)
    with ExitStack() as stack:
        line.fill(stack, "a")
        waits = [stack.enter_context(line.hosts.place("a")) for _ in range(2_000)]
    assert min(waits) >= SOONEST
    assert max(waits) <= LATEST
    assert len({round(wait, 3) for wait in waits[:100]}) == 100


def test_the_line_goes_as_fast_as_the_host(line: Line) -> None:
    with ExitStack() as stack:
        line.fill(stack, "a")
        stack.enter_context(line.hosts.place("a"))
    line.tell("a", 1)
    with ExitStack() as stack:
        line.fill(stack, "a")
        stack.enter_context(line.hosts.place("a"))
        assert stack.enter_context(line.hosts.place("a")) > SOONEST
        line.now += LATEST
        assert stack.enter_context(line.hosts.place("a")) == SOONEST


def test_a_host_has_its_place_again_whatever_happened_in_it(line: Line) -> None:
    for _ in range(10):
        with pytest.raises(ZeroDivisionError), line.hosts.place("a"):
            raise ZeroDivisionError
    assert line.tell("a", 0) == 0
