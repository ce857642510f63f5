"""`python -m bench.performance`: measure everything, write docs/performance.md and its pictures."""

import argparse
import sys
import time
from pathlib import Path

from pydantic import TypeAdapter

from bench.performance import api, cores, recovery, speed, submission, waiting
from bench.performance.contestants import Load, PlainCelery, Willcall
from bench.performance.machine import machine
from bench.performance.page import page
from bench.performance.plots import draw
from bench.performance.results import Results, Speed
from bench.performance.statistics import median

ROOT = Path(__file__).parents[2]
#: Where the figures are kept, so that the page can be written again without measuring.
KEPT = ROOT / "var" / "performance.json"
#: The provider is far away, and each thread mostly waits; or near, and they mostly run.
SCENARIOS = ((64, 0.1), (8, 0.0))


def run(*, quick: bool) -> Results:
    """Measure; `quick` shows that all works, its figures mean nothing."""
    rounds, seconds = (1, 2.0) if quick else (3, 4.0)
    waiting_orders = 2_000 if quick else 100_000
    singles, batched = (200, 1_000) if quick else (1_000, 10_000)
    patience = 5.0 if quick else 40.0
    speeds = []
    for threads, latency in SCENARIOS:
        _say(f"CPU per poll with {threads} threads")
        windows = speed.measure(Load(speed.ORDERS, threads, latency), rounds, seconds)
        speeds.append(Speed(threads, latency, windows))
    _say("submission")
    taken = submission.measure(rounds, singles, batched)
    _say("the API")
    served = api.measure(rounds, singles, batched, pushed=min(300, singles))
    half = {name: median(each.rate for each in windows) / 2 for name, windows in speeds[0].windows.items()}
    _say(f"{waiting_orders:,} orders wait for Willcall")
    waits = {Willcall.name: waiting.willcall(waiting_orders, half[Willcall.name], seconds)}
    _say(f"{waiting_orders:,} orders wait for plain Celery")
    waits[PlainCelery.name] = waiting.plain_celery(waiting_orders, half[PlainCelery.name], seconds)
    _say("kill -9")
    return Results(machine(), speeds, taken, waits, recovery.measure(patience), served)


def _say(what: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {what}\n")


def main() -> None:
    """Measure or remember, then write."""
    parser = argparse.ArgumentParser(prog="python -m bench.performance", description="Measure, and write the page.")
    parser.add_argument("--quick", action="store_true", help="shorter and less, only to see that it works")
    parser.add_argument("--again", action="store_true", help="write the page from the figures of the last run")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the page goes (default: docs)")
    given = parser.parse_args()
    results_type = TypeAdapter(Results)
    if given.next_message:
        results = results_type.validate_json(KEPT.read_bytes())
    else:
        cores.confine()
        results = run(quick=given.quick)
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_bytes(results_type.dump_json(results))
    (given.docs / "performance.md").write_text(page(results), encoding="utf-8")
    draw(results, given.docs / "img")
    sys.stdout.write(f"{given.docs / 'performance.md'}\n")


if __name__ == "__main__":
    main()
