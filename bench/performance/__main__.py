"""`python -m bench.performance`: measure everything, write docs/performance.md and its pictures."""

import argparse
import sys
import time
from pathlib import Path

from pydantic import TypeAdapter

from bench.performance import api, recovery, speed, waiting
from bench.performance.machine import machine, use_driver_core
from bench.performance.page import page
from bench.performance.plots import draw
from bench.performance.results import Results, Speed, median
from bench.performance.systems import Load, PlainCelery, Willcall

ROOT = Path(__file__).parents[2]
#: The results of the last run, from which the page can be written again without measuring.
RESULTS = ROOT / "var" / "performance.json"
#: Threads and latency: a distant provider, where threads mostly wait, and a close one, where they mostly run.
SCENARIOS = ((64, 0.1), (8, 0.0))


def run(*, quick: bool) -> Results:
    """Measure everything. `quick` only shows that it works; its figures mean nothing."""
    rounds, seconds = (1, 2.0) if quick else (3, 4.0)
    waiting_orders = 2_000 if quick else 100_000
    singles, batched = (200, 1_000) if quick else (1_000, 10_000)
    patience = 5.0 if quick else 40.0
    speeds = []
    for threads, latency in SCENARIOS:
        _log(f"CPU per poll with {threads} threads")
        windows = speed.measure(Load(speed.ORDERS, threads, latency), rounds, seconds)
        speeds.append(Speed(threads, latency, windows))
    _log("submission")
    submitted = speed.measure_submission(rounds, singles, batched)
    _log("the API")
    served = api.measure(rounds, singles, batched, pushed=min(300, singles))
    half = {name: median(each.rate for each in windows) / 2 for name, windows in speeds[0].windows.items()}
    _log(f"{waiting_orders:,} orders waiting in Willcall")
    waits = {Willcall.name: waiting.willcall(waiting_orders, half[Willcall.name], seconds)}
    _log(f"{waiting_orders:,} orders waiting in plain Celery")
    waits[PlainCelery.name] = waiting.plain_celery(waiting_orders, half[PlainCelery.name], seconds)
    _log("recovery from kill -9")
    return Results(machine(), speeds, submitted, waits, recovery.measure(patience), served)


def _log(message: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {message}\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.performance", description="Measure, and write the page.")
    parser.add_argument("--quick", action="store_true", help="a short run that only shows that everything works")
    parser.add_argument("--reuse", action="store_true", help="write the page from the results of the last run")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the page goes (default: docs)")
    given = parser.parse_args()
    results_type = TypeAdapter(Results)
    if given.reuse:
        results = results_type.validate_json(RESULTS.read_bytes())
    else:
        use_driver_core()
        results = run(quick=given.quick)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_bytes(results_type.dump_json(results))
    (given.docs / "performance.md").write_text(page(results), encoding="utf-8")
    draw(results, given.docs / "img")
    sys.stdout.write(f"{given.docs / 'performance.md'}\n")


if __name__ == "__main__":
    main()
