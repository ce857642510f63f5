"""`python -m bench.performance.speed`: CPU per poll at full load, side by side."""

import argparse
import sys
from statistics import median

from bench.performance import cores
from bench.performance.contestants import Load, Measured, bare_loop, new_stage, plain_celery, willcall

CONTESTANTS = {"willcall": willcall, "plain Celery": plain_celery, "bare loop": bare_loop}


def main() -> None:
    """Measure all contestants in turn, a few times, and print medians."""
    parser = argparse.ArgumentParser(prog="python -m bench.performance.speed", description="CPU per poll.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=float, default=8.0, help="seconds (default: 8)")
    parser.add_argument("--warm-up", type=float, default=3.0, help="seconds (default: 3)")
    parser.add_argument("--orders", type=int, default=1_500)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds until the provider answers (default: 0.1)")
    parser.add_argument("--only", choices=CONTESTANTS, action="append")
    given = parser.parse_args()
    cores.confine()
    load = Load(given.orders, given.threads, given.latency)
    results: dict[str, list[Measured]] = {name: [] for name in given.only or CONTESTANTS}
    for _ in range(given.rounds):
        for name in results:
            with new_stage(load) as stage:
                measured = CONTESTANTS[name](stage, load, given.warm_up, given.window)
            results[name].append(measured)
            sys.stdout.write(line(name, [measured]) + "\n")
            sys.stdout.flush()
    sys.stdout.writelines(line(f"median: {name}", measured) + "\n" for name, measured in results.items())


def line(name: str, measured: list[Measured]) -> str:
    """Polls per second, CPU ms per poll and share of the core, medians."""
    rate = median(each.polls / each.seconds for each in measured)
    cost = median(1_000 * each.cpu / each.polls for each in measured)
    share = median(each.cpu / each.seconds for each in measured)
    return f"{name:24} {rate:7.0f} polls/s {cost:7.2f} ms CPU per poll {share:5.0%} of the core"


if __name__ == "__main__":
    main()
