"""`python -m bench.performance.speed`: CPU time per poll at full load, and orders submitted per second."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import psutil

from bench.performance.machine import measured_core, use_driver_core
from bench.performance.orders import LONG
from bench.performance.results import Submission, Window, median, ratios
from bench.performance.systems import (
    Load,
    MeasuredSystem,
    PlainCelery,
    PlainCeleryRetry,
    PollingSystem,
    RequestLoop,
    Willcall,
    wait_until,
)

SYSTEMS: tuple[type[MeasuredSystem], ...] = (Willcall, PlainCelery, PlainCeleryRetry, RequestLoop)
#: Orders due every second: more than one worker can poll.
ORDERS = 1_500
#: Seconds for a resumed worker to be busy again before it is measured.
SETTLE = 1.5
#: Seconds between the first poll and the first window, by which all threads run.
WARM_UP = 2.0


def measure(
    load: Load, rounds: int, seconds: float, systems: Sequence[type[MeasuredSystem]] = SYSTEMS
) -> Mapping[str, list[Window]]:
    """Return the windows of each system by name.

    The systems take turns: while one runs the others are stopped, so that what else happens on the machine affects all.
    """
    windows: dict[str, list[Window]] = {each.name: [] for each in systems}
    with ExitStack() as stack:
        workers = [(each, _start_busy(each)) for each in (stack.enter_context(each(load)) for each in systems)]
        for _ in range(rounds):
            for system, worker in workers:
                worker.resume()
                time.sleep(SETTLE)
                windows[system.name].append(window(system.requests_received, worker, seconds))
                worker.suspend()
    return windows


def window(requests: Callable[[], int], worker: psutil.Process, seconds: float) -> Window:
    """Measure a worker for a window; the provider counts the requests."""
    before, start, used = requests(), time.monotonic(), cpu(worker)
    time.sleep(seconds)
    return Window(requests() - before, time.monotonic() - start, cpu(worker) - used)


def cpu(process: psutil.Process) -> float:
    """Return the CPU seconds that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _start_busy(system: MeasuredSystem) -> psutil.Process:
    """Start a worker, let it warm up, and suspend it."""
    if isinstance(system, PollingSystem):
        system.submit(range(system.load.orders))
    worker = system.start()
    wait_until(lambda: system.requests_received() > 0, f"a request by {system.name}")
    time.sleep(WARM_UP)
    worker.suspend()
    return worker


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.performance.speed", description="CPU per poll.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=float, default=5.0, help="seconds (default: 5)")
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds until the provider responds (default: 0.1)")
    parser.add_argument("--only", choices=[each.name for each in SYSTEMS], action="append")
    given = parser.parse_args()
    use_driver_core()
    chosen = [each for each in SYSTEMS if each.name in (given.only or each.name)]
    measured = measure(Load(ORDERS, given.threads, given.latency), given.rounds, given.window, chosen)
    for name, windows in measured.items():
        costs = ", ".join(f"{each.cost:.2f}" for each in windows)
        rate, cost = median(each.rate for each in windows), median(each.cost for each in windows)
        sys.stdout.write(f"{name:22}{rate:6.0f} polls/s {cost:6.2f} ms CPU per poll ({costs})\n")
    if {Willcall.name, PlainCelery.name} <= set(measured):
        ours, theirs = ([each.cost for each in measured[name]] for name in (Willcall.name, PlainCelery.name))
        sys.stdout.write(f"CPU per poll, Willcall / plain Celery: {median(ratios(ours, theirs)):.2f} x\n")


def measure_submission(rounds: int, singles: int, batched: int) -> Mapping[str, Submission]:
    """Submit `singles` orders one by one and `batched` ones in batches to each system in turn; no worker runs."""
    results = {each.name: Submission([], []) for each in (Willcall, PlainCelery)}
    load = Load(orders=0, threads=1, latency=0)
    with Willcall(load) as ours, PlainCelery(load) as theirs:
        for number in range(rounds):
            first = number * (singles + batched)
            for poller in (ours, theirs):
                submission = results[poller.name]
                submission.one_by_one.append(_rate(poller, range(first, first + singles), batch=False))
                rest = range(first + singles, first + singles + batched)
                submission.batch.append(_rate(poller, rest, batch=True))
    return results


def _rate(poller: PollingSystem, numbers: range, *, batch: bool) -> float:
    """Return the orders per second of a process on the measured core."""
    with measured_core():
        return len(numbers) / poller.submit(numbers, (LONG, LONG), batch=batch)


if __name__ == "__main__":
    main()
