"""What a waiting order costs, and how late polls are while many others wait and a worker is half busy."""

import subprocess
import sys
import time
from collections.abc import Callable

import psutil

from bench.performance import cores
from bench.performance.contestants import Load, PlainCelery, Poller, Willcall, wait_until
from bench.performance.orders import LONG
from bench.performance.results import Waiting
from bench.performance.statistics import by_window

#: Seconds in which a worker comes to rest, or is warm.
REST = 4.0
#: Waiting orders that are there before the first weighing, so that all is loaded by then.
FIRST = 100
#: Threads of the worker, and seconds until the provider answers.
THREADS, LATENCY = 64, 0.1
WINDOWS = 3
#: Seconds that the baseline's worker may take to fetch what it was sent.
LONGEST_FILL = 600.0


def willcall(orders: int, rate: float, seconds: float) -> Waiting:
    """Of Willcall; `rate`: polls per second of orders that do not wait; `seconds` of a window."""
    with Willcall(_load(rate)) as ours:
        worker = ours.start()
        ours.deployment.wait_for_workers(1)
        return _measure(ours, worker, orders, seconds, fill=lambda numbers: _fill(ours, numbers))


def plain_celery(orders: int, rate: float, seconds: float) -> Waiting:
    """Of the baseline, whose worker is full when it has fetched all messages."""
    with PlainCelery(_load(rate)) as theirs:
        worker = theirs.start()

        def fill(numbers: range) -> None:
            theirs.hand_in(numbers, (LONG, LONG))
            fetched = numbers.stop - theirs.load.orders
            wait_until(lambda: theirs.redis.hlen("unacked") >= fetched, "all messages in the worker", LONGEST_FILL)

        return _measure(theirs, worker, orders, seconds, fill)


def _load(rate: float) -> Load:
    """So many orders that they are polled at the rate: each comes back after the answer's time and its countdown."""
    return Load(round(rate * (1 + LATENCY)), THREADS, LATENCY)


def _measure(
    poller: Poller, worker: psutil.Process, orders: int, seconds: float, fill: Callable[[range], None]
) -> Waiting:
    """Weigh, fill, weigh, and let others be polled; the numbers of the waiting orders come after theirs."""
    polled = range(poller.load.orders)
    fill(range(polled.stop, polled.stop + FIRST))
    before = _weigh(poller, worker)
    fill(range(polled.stop + FIRST, polled.stop + orders))
    after = _weigh(poller, worker)
    worker_bytes, redis_bytes = ((now - then) / (orders - FIRST) for now, then in zip(after, before, strict=True))
    poller.hand_in(polled, (0.1, poller.load.countdown))
    time.sleep(REST)
    opened = time.time()
    time.sleep(WINDOWS * seconds + 1)
    attempts = [attempt for number in polled for attempt in poller.attempts(number)]
    late = by_window(attempts, opened, seconds, WINDOWS)
    rate = sum(map(len, late)) / (WINDOWS * seconds)
    return Waiting(orders, worker_bytes, redis_bytes, rate, late)


def _weigh(poller: Poller, worker: psutil.Process) -> tuple[int, int]:
    """Bytes of the worker and of Redis, when they have come to rest."""
    time.sleep(REST)
    while (memory := poller.redis.info())["aof_rewrite_in_progress"]:
        time.sleep(0.5)
    return worker.memory_info().rss, memory["used_memory"]


def _fill(ours: Willcall, numbers: range) -> None:
    """In two processes, one for each core."""
    halves = (numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :])
    fillers = [_start_filler(ours, halves[0])]
    with cores.measured_core():
        fillers.append(_start_filler(ours, halves[1]))
    for filler in fillers:
        if filler.wait():
            raise RuntimeError("an order could not be filled in")


def _start_filler(ours: Willcall, numbers: range) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "bench.performance.fill", "--first", str(numbers.start)]
    return subprocess.Popen([*command, "--count", str(len(numbers))], env=ours.deployment.environment)  # noqa: S603 - ours
