"""`python -m bench.overload`: for a minute more polls are due than one worker can make; then the load stops.

Passes (exit code 0) if

- the sweep that re-sends overdue orders neither floods a busy worker with copies nor keeps it from polling,
- lateness grows about linearly and disappears once the backlog is drained,
- Redis' memory stays bounded.

With `--crowd`: see `bench.crowd`.
"""

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.chaos.final_state import final_orders, messages_left
from bench.chaos.history import FinalOrder
from bench.crowd import crowd_table, crowd_violations, run_crowd
from willcall.devtools.local_deployment import LocalDeployment
from willcall.simulator.script import OrderScript, Script
from willcall.stores.connection import connect
from willcall.usecases.submit import submit

if TYPE_CHECKING:
    from redis import Redis

#: Every order is due every second, the rate is no limit, and the worker has few threads.
POLLING = {"initial": 1, "factor": 1, "cap": 1, "minimum": 0.5, "ceiling": 600}
RATE = {"limit": 10_000, "period": 1, "burst": 10_000}
SWEEPS = {"polls": 2, "grace": 3}
CONCURRENCY = 4

#: Messages in the broker per order: the current one, and stale ones, which the doubling period limits.
MAX_MESSAGES = 3.0
#: Bytes of Redis per order: state, indexes, timeline and messages.
MAX_BYTES = 8_000.0
#: Share of the variance of the lateness that a straight line has to explain.
MIN_LINEARITY = 0.8
#: A worker with a backlog that makes less than this share of the first row's attempts is not polling.
MIN_ATTEMPTS = 0.3
#: Seconds that an order submitted after the drain may be late.
MAX_LATENESS = 1.0
#: Seconds per row of the table, orders after the drain, longest drain in seconds.
ROW, PROBES, MAX_DRAIN = 10, 50, 120.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One second: orders submitted so far, messages in the broker, bytes of Redis."""

    at: float
    orders: int
    messages: int
    memory: int


@dataclass(frozen=True, slots=True)
class Result:
    """A run. `lateness` has the claim time and the lateness of all attempts, `probes` the lateness after the drain."""

    load: float
    samples: Sequence[Sample]
    lateness: Sequence[tuple[float, float]]
    probes: Sequence[float]
    drained: bool


def violations(result: Result) -> list[str]:
    """Return what the result violates."""
    most = max(sample.messages / max(sample.orders, 1) for sample in _settled(result.samples))
    first, orders = result.samples[0].memory, result.samples[-1].orders
    memory = (max(sample.memory for sample in result.samples) - first) / max(orders, 1)
    growth = list(rows(at_late for at_late in result.lateness if at_late[0] < result.load).items())
    idle = starved_rows(result)
    found = {
        f"hardly any attempts in the ten seconds from {', '.join(map(str, idle))} s on, among {orders} orders": bool(
            idle
        ),
        f"{most:.1f} messages per order": most > MAX_MESSAGES,
        f"{memory:.0f} bytes of Redis per order": memory > MAX_BYTES,
        f"lateness does not grow linearly: {linearity(growth):.2f}": linearity(growth) < MIN_LINEARITY,
        "the backlog was not drained": not result.drained,
        "orders after the drain are late": max(result.probes, default=float("inf")) > MAX_LATENESS,
    }
    return [what for what, wrong in found.items() if wrong]


def starved_rows(result: Result) -> list[int]:
    """Return the rows in which orders were due but the worker made far fewer attempts than in the first row."""
    attempts = Counter(int(at // ROW) * ROW for at, _ in result.lateness)
    last = max(attempts, default=0) if result.drained else result.samples[-1].at
    full = [start for start in range(0, int(last), ROW) if start + ROW <= last]
    usual = attempts[0]
    return [start for start in full if attempts[start] < MIN_ATTEMPTS * usual]


def linearity(points: Sequence[tuple[float, float]]) -> float:
    """Return the share of the variance that a straight line explains; 1 for fewer than three points."""
    if len(points) < 3:
        return 1.0
    xs, ys = zip(*points, strict=True)
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    xx = sum((x - mean_x) ** 2 for x in xs)
    yy = sum((y - mean_y) ** 2 for y in ys)
    xy = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return xy * xy / (xx * yy) if yy else 1.0


def rows(lateness: Iterable[tuple[float, float]]) -> Mapping[int, float]:
    """Return the median lateness by the second at which a row of the table begins."""
    by_row: dict[int, list[float]] = defaultdict(list)
    for at, late in lateness:
        by_row[int(at // ROW) * ROW].append(late)
    return {start: median(values) for start, values in sorted(by_row.items())}


def run(orders: int, load: float) -> Result:
    """Saturate the worker, stop, wait for the drain, submit probes."""
    account = {"rate": RATE, "polling": POLLING}
    with (
        TemporaryDirectory(prefix="willcall-overload-") as folder,
        LocalDeployment(Path(folder), Script(), {"tiqets/default": account}, sweeps=SWEEPS) as deployment,
        connect(deployment.redis.url) as redis,
    ):
        deployment.start("beat")
        deployment.start("worker", "--concurrency", str(CONCURRENCY))
        deployment.wait_for_workers(1)
        started = time.time()
        samples = [_sample(redis, 0.0, 0)]
        ids: list[str] = []
        while (elapsed := time.time() - started) < load:
            count = min(orders, round(orders * (elapsed + 1) / load)) - len(ids)
            ids += _submit(deployment, len(ids), count, ready_after=load - elapsed)
            samples.append(_sample(redis, elapsed, len(ids)))
            _show(samples[-1])
            time.sleep(max(0.0, started + elapsed + 1 - time.time()))
        drained = False
        while not drained and time.time() - started < load + MAX_DRAIN:
            time.sleep(1)
            drained = not redis.zcard("willcall:due:tiqets/default") and not messages_left(redis)
            samples.append(_sample(redis, time.time() - started, len(ids)))
            _show(samples[-1])
        lateness = _lateness(final_orders(deployment, ids), started)
        probes = _submit(deployment, len(ids), PROBES, ready_after=0)
        time.sleep(5)
        late = [late for _, late in _lateness(final_orders(deployment, probes), started)]
    sys.stderr.write("\n")
    return Result(load, samples, lateness, late, drained)


def table(result: Result) -> str:
    lines = ["   from    orders  messages  Redis MB  attempts  lateness"]
    late = rows(result.lateness)
    for start in range(0, int(result.samples[-1].at) + 1, ROW):
        within = [sample for sample in result.samples if start <= sample.at < start + ROW]
        attempts = sum(start <= at < start + ROW for at, _ in result.lateness)
        if within:
            messages, memory = max(each.messages for each in within), max(each.memory for each in within) / 1e6
            counts = f"{within[-1].orders:8}  {messages:8}  {memory:8.1f}  {attempts:8}"
            lines.append(f"{start:5} s  {counts}  {late.get(start, nan):6.1f} s")
    probes = max(result.probes, default=nan)
    return "\n".join([*lines, f"after the drain: {len(result.probes)} attempts, {probes:.2f} s late at most"])


def _settled(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Return the samples with enough orders for meaningful ratios."""
    most = samples[-1].orders
    return [sample for sample in samples if sample.orders >= most / 10] or samples


def _submit(deployment: LocalDeployment, first: int, count: int, *, ready_after: float) -> list[str]:
    numbers = range(first, first + count)
    scripts = [
        OrderScript(provider="tiqets", reference=str(1_000_000 + number), ready_after=ready_after) for number in numbers
    ]
    deployment.providers.add_orders(scripts)
    return [
        submit(
            deployment.context, {"id": f"ord-{number:05}", "provider": "tiqets", "reference": script.reference}
        ).order_id
        for number, script in zip(numbers, scripts, strict=True)
    ]


def _sample(redis: "Redis", at: float, orders: int) -> Sample:
    messages = {key: count for key, count in messages_left(redis).items() if not key.endswith("_index")}
    return Sample(at, orders, sum(messages.values()), int(redis.info("memory")["used_memory"]))


def _lateness(ended: Mapping[str, FinalOrder], started: float) -> list[tuple[float, float]]:
    return sorted((attempt.claimed - started, attempt.late) for order in ended.values() for attempt in order.timeline)


def _show(sample: Sample) -> None:
    sys.stderr.write(f"\r{sample.at:4.0f} s  {sample.orders} orders  {sample.messages} messages   ")
    sys.stderr.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description="More polls than a worker can make.")
    parser.add_argument("--orders", type=int, default=3_000, help="how many (default: 3000)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the load lasts (default: 60)")
    parser.add_argument("--crowd", action="store_true", help="a crowd at a slow provider beside a healthy one instead")
    given = parser.parse_args()
    if given.crowd:
        crowd = run_crowd()
        shown, found = crowd_table(crowd), crowd_violations(crowd)
    else:
        result = run(given.orders, given.seconds)
        shown, found = table(result), violations(result)
    sys.stdout.write(shown + "\n")
    sys.stdout.writelines(f"FAILED  {what}\n" for what in found)
    sys.stdout.write("passed\n" if not found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
