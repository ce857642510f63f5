"""An unresponsive backend delays no other one, however many events wait for it."""

from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from tasks.queues import NOTIFY
from workers.bulkhead import MIN_DELAY, create_bulkhead
from workers.host_limits import MAX_DELAY, SLOW_AFTER, HostLimits

THREADS = 8


@dataclass
class Worker:
    """The limits of a worker, with a clock of its own."""

    now: float = 0.0
    limits: HostLimits = field(init=False)

    def __post_init__(self) -> None:
        self.limits = HostLimits(create_bulkhead(THREADS, [NOTIFY], []), THREADS, lambda: self.now)

    def notify(self, host: str, seconds: float) -> float:
        with self.limits.slot(host) as wait:
            self.now += seconds
        return wait

    def fill(self, stack: ExitStack, host: str) -> int:
        """Occupy slots until none is free; return how many."""
        occupied = 0
        while not stack.enter_context(self.limits.slot(host)):
            occupied += 1
        return occupied


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_a_new_host_has_one_thread(worker: Worker) -> None:
    with ExitStack() as stack:
        assert [worker.fill(stack, host) for host in ("a", "b", "c", "d", "e")] == [1, 1, 1, 1, 0]


def test_a_fast_host_leaves_one_thread_for_another(worker: Worker) -> None:
    worker.notify("a", 0.1)
    worker.notify("b", 0.1)
    with ExitStack() as stack:
        assert [worker.fill(stack, host) for host in ("a", "b", "c")] == [3, 1, 0]


def test_slow_hosts_share_a_few_threads(worker: Worker) -> None:
    for host in ("a", "b", "c"):
        assert worker.notify(host, SLOW_AFTER) == 0
    worker.notify("fast", 0)
    with ExitStack() as stack:
        assert [worker.fill(stack, host) for host in ("a", "b", "c")] == [2, 0, 0]
        assert worker.fill(stack, "fast") >= 2


def test_a_slow_host_that_is_fast_again_is_like_any_other(worker: Worker) -> None:
    worker.notify("a", SLOW_AFTER)
    worker.notify("b", SLOW_AFTER)
    worker.notify("b", SLOW_AFTER / 2)
    with ExitStack() as stack:
        assert worker.fill(stack, "a") == 2
        assert worker.fill(stack, "b") == 3
        assert worker.fill(stack, "c") == 1


def test_callbacks_without_a_slot_are_retried_one_by_one(worker: Worker) -> None:
    worker.notify("a", 15)
    with ExitStack() as stack:
        worker.fill(stack, "a")
        waits = [stack.enter_context(worker.limits.slot("a")) for _ in range(2_000)]
    assert min(waits) >= MIN_DELAY
    assert max(waits) <= MAX_DELAY
    assert len({round(wait, 3) for wait in waits[:100]}) == 100


def test_the_host_queue_moves_as_fast_as_the_host(worker: Worker) -> None:
    with ExitStack() as stack:
        worker.fill(stack, "a")
        stack.enter_context(worker.limits.slot("a"))
    worker.notify("a", 1)
    with ExitStack() as stack:
        worker.fill(stack, "a")
        stack.enter_context(worker.limits.slot("a"))
        assert stack.enter_context(worker.limits.slot("a")) > MIN_DELAY
        worker.now += MAX_DELAY
        assert stack.enter_context(worker.limits.slot("a")) == MIN_DELAY


def test_a_slot_is_free_again_after_an_exception(worker: Worker) -> None:
    for _ in range(10):
        with pytest.raises(ZeroDivisionError), worker.limits.slot("a"):
            raise ZeroDivisionError
    assert worker.notify("a", 0) == 0
