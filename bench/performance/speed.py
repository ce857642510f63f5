"""`python -m bench.performance.speed`: polls per second and CPU per poll at full load, side by side."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import psutil

from bench.performance import cores
from bench.performance.contestants import (
    BareLoop,
    Contestant,
    Load,
    PlainCelery,
    PlainCeleryRetry,
    Poller,
    Willcall,
    wait_until,
)
from bench.performance.results import Window
from bench.performance.statistics import median, ratios

CONTESTANTS: tuple[type[Contestant], ...] = (Willcall, PlainCelery, PlainCeleryRetry, BareLoop)
#: Due each second: more than a worker can do in one.
ORDERS = 1_500
#: Seconds that a contestant gets to be busy again before it is measured.
SETTLE = 1.5
#: Seconds between the first poll and the first window: everything is loaded, all threads run.
WARM_UP = 2.0


def measure(
    load: Load, rounds: int, seconds: float, contestants: Sequence[type[Contestant]] = CONTESTANTS
) -> Mapping[str, list[Window]]:
    """Windows of each contestant by name.

    They take turns: while one works the others are stopped, so that what else happens on the machine falls on all.
    """
    windows: dict[str, list[Window]] = {each.name: [] for each in contestants}
    with ExitStack() as stack:
        workers = [(each, _busy(each)) for each in (stack.enter_context(each(load)) for each in contestants)]
        for _ in range(rounds):
            for contestant, worker in workers:
                worker.resume()
                time.sleep(SETTLE)
                windows[contestant.name].append(window(contestant.asked, worker, seconds))
                worker.suspend()
    return windows


def window(asked: Callable[[], int], worker: psutil.Process, seconds: float) -> Window:
    """What a worker does in a window; the provider counts."""
    before, start, used = asked(), time.monotonic(), cpu(worker)
    time.sleep(seconds)
    return Window(asked() - before, time.monotonic() - start, cpu(worker) - used)


def cpu(process: psutil.Process) -> float:
    """CPU seconds of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _busy(contestant: Contestant) -> psutil.Process:
    """A worker that has been busy for a moment, and is stopped."""
    if isinstance(contestant, Poller):
        contestant.hand_in(range(contestant.load.orders))
    worker = contestant.start()
    wait_until(lambda: contestant.asked() > 0, f"a request by {contestant.name}")
    time.sleep(WARM_UP)
    worker.suspend()
    return worker


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.performance.speed", description="CPU per poll.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=float, default=5.0, help="seconds (default: 5)")
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds until the provider answers (default: 0.1)")
    parser.add_argument("--only", choices=[each.name for each in CONTESTANTS], action="append")
    given = parser.parse_args()
    cores.confine()
    chosen = [each for each in CONTESTANTS if each.name in (given.only or each.name)]
    measured = measure(Load(ORDERS, given.threads, given.latency), given.rounds, given.window, chosen)
    for name, windows in measured.items():
        costs = ", ".join(f"{each.cost:.2f}" for each in windows)
        rate, cost = median(each.rate for each in windows), median(each.cost for each in windows)
        sys.stdout.write(f"{name:22}{rate:6.0f} polls/s {cost:6.2f} ms CPU per poll ({costs})\n")
    if {Willcall.name, PlainCelery.name} <= set(measured):
        ours, theirs = ([each.cost for each in measured[name]] for name in (Willcall.name, PlainCelery.name))
        sys.stdout.write(f"CPU per poll, Willcall / plain Celery: {median(ratios(ours, theirs)):.2f} x\n")


if __name__ == "__main__":
    main()
