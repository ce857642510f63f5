"""`python -m bench.overload --crowd`: 200 orders at a provider that takes 8 s to respond, beside a healthy provider.

Passes if polls of the healthy provider are at most 0.2 s later than without the crowd, and the worker runs about as
many poll tasks as it makes requests.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.chaos.final_state import final_orders
from willcall.devtools.local_deployment import LocalDeployment
from willcall.orders.model import FINAL
from willcall.simulator.script import AccountScript, OrderScript, Script
from willcall.usecases.submit import submit

#: The crowd: orders, and seconds until its provider responds. The healthy provider: orders, and seconds of polling.
CROWD, LATENCY = 200, 8.0
HEALTHY, POLLED_FOR = 40, 20.0
CONCURRENCY = 8

ACCOUNT = {
    "rate": {"limit": 200, "period": 1, "burst": 200},
    "polling": {"initial": 1, "factor": 1, "cap": 1, "minimum": 0.5, "ceiling": 3_600},
    "http": {"read_timeout": 30, "total_timeout": 40},
}
SWEEPS = {"polls": 2, "grace": 3}

#: Seconds by which the crowd may delay the healthy provider's latest poll.
MAX_DELAY = 0.2
#: Poll tasks per request: one each, plus those until the crowd fills all slots.
MAX_TASKS = 1.5


@dataclass(frozen=True, slots=True)
class CrowdResult:
    """The lateness of the healthy provider's polls without and with the crowd; tasks and requests with it."""

    alone: Sequence[float]
    beside: Sequence[float]
    tasks: int
    requests: int


def run_crowd() -> CrowdResult:
    """Poll the healthy provider alone, then beside the crowd."""
    accounts = {"tiqets/default": ACCOUNT, "tixstock/default": ACCOUNT}
    scripts = tuple(AccountScript(provider=provider, minimum=0) for provider in ("tiqets", "tixstock"))
    with (
        TemporaryDirectory(prefix="willcall-crowd-") as folder,
        LocalDeployment(Path(folder), Script(accounts=scripts), accounts, sweeps=SWEEPS) as deployment,
    ):
        deployment.start("beat")
        deployment.start("worker", "--concurrency", str(CONCURRENCY))
        deployment.wait_for_workers(1)
        alone = _finish(deployment, _healthy(deployment, "alone"))
        slow: list[Any] = [{"do": "hang", "seconds": LATENCY, "times": 100}]
        _submit(
            deployment,
            {
                f"slow-{number}": OrderScript(provider="tiqets", reference=str(1_000_000 + number), answers=slow)
                for number in range(CROWD)
            },
        )
        time.sleep(LATENCY)
        tasks, requests = _tasks(deployment), len(deployment.providers.ledger())
        beside = _finish(deployment, _healthy(deployment, "beside"))
        return CrowdResult(alone, beside, _tasks(deployment) - tasks, len(deployment.providers.ledger()) - requests)


def crowd_violations(result: CrowdResult) -> list[str]:
    delay = max(result.beside) - max(result.alone)
    found = {
        f"the healthy provider's latest poll is {delay:.2f} s later": delay > MAX_DELAY,
        f"{result.tasks} poll tasks for {result.requests} requests": result.tasks > MAX_TASKS * result.requests,
    }
    return [what for what, wrong in found.items() if wrong]


def crowd_table(result: CrowdResult) -> str:
    rows = {"alone": result.alone, f"beside {CROWD} orders at {LATENCY:g} s": result.beside}
    lines = [f"{'healthy provider':30}  polls  median    latest"]
    lines += [f"{name:30}  {len(late):5}  {median(late):6.3f}  {max(late):6.3f} s" for name, late in rows.items()]
    return "\n".join([*lines, f"beside the crowd: {result.tasks} poll tasks, {result.requests} requests"])


def _healthy(deployment: LocalDeployment, name: str) -> list[str]:
    return _submit(
        deployment,
        {
            f"{name}-{number}": OrderScript(
                provider="tixstock", reference=f"{name}-{number}", ready_after=POLLED_FOR + number / HEALTHY
            )
            for number in range(HEALTHY)
        },
    )


def _submit(deployment: LocalDeployment, scripts: Mapping[str, OrderScript]) -> list[str]:
    deployment.providers.add_orders(scripts.values())
    for order_id, script in scripts.items():
        submit(deployment.context, {"id": order_id, "provider": script.provider, "reference": script.reference})
    return list(scripts)


def _finish(deployment: LocalDeployment, ids: Sequence[str]) -> list[float]:
    """Wait until all orders are final; return how late each attempt was."""
    while not all(order and order.status in FINAL for order in deployment.context.stores.orders.get_many(ids)):
        time.sleep(0.5)
    return [attempt.late for order in final_orders(deployment, ids).values() for attempt in order.timeline]


def _tasks(deployment: LocalDeployment) -> int:
    """Return how many poll tasks the worker has run."""
    stats = deployment.app.control.inspect(timeout=60, limit=1).stats() or {}
    return sum(worker["total"].get("tasks.poll", 0) for worker in stats.values())
