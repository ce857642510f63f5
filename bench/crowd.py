"""Two hundred orders at a provider that takes 8 s an answer, beside a healthy one: `python -m bench.overload --crowd`.

The healthy provider's polls are at most 0.2 s later than without the crowd, and the worker runs about as many poll
tasks as it makes requests.
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

#: The crowd: orders, and seconds that its provider takes for an answer. The healthy provider's orders, and how long
#: they are polled.
CROWD, ANSWER = 200, 8.0
HEALTHY, POLLED_FOR = 40, 20.0
CONCURRENCY = 8

ACCOUNT = {
    "rate": {"limit": 200, "period": 1, "burst": 200},
    "polling": {"initial": 1, "factor": 1, "cap": 1, "minimum": 0.5, "ceiling": 3_600},
    "http": {"read_timeout": 30, "total_timeout": 40},
}
SWEEPS = {"polls": 2, "grace": 3}

#: Seconds by which the crowd may make the healthy provider's latest poll later.
LATER = 0.2
#: Poll tasks per request: one each, and what the start of the crowd's line costs.
MOST_TASKS = 1.5


@dataclass(frozen=True, slots=True)
class CrowdResult:
    """How late the healthy provider's polls were without and with the crowd; tasks and requests made beside it."""

    alone: Sequence[float]
    beside: Sequence[float]
    tasks: int
    requests: int


def crowd() -> CrowdResult:
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
        slow: list[Any] = [{"do": "hang", "seconds": ANSWER, "times": 100}]
        _submit(
            deployment,
            {
                f"slow-{number}": OrderScript(provider="tiqets", reference=str(1_000_000 + number), answers=slow)
                for number in range(CROWD)
            },
        )
        time.sleep(ANSWER)
        tasks, requests = _tasks(deployment), len(deployment.providers.ledger())
        beside = _finish(deployment, _healthy(deployment, "beside"))
        return CrowdResult(alone, beside, _tasks(deployment) - tasks, len(deployment.providers.ledger()) - requests)


def crowd_violations(result: CrowdResult) -> list[str]:
    """What does not hold."""
    later = max(result.beside) - max(result.alone)
    found = {
        f"the healthy provider's latest poll is {later:.2f} s later": later > LATER,
        f"{result.tasks} poll tasks for {result.requests} requests": result.tasks > MOST_TASKS * result.requests,
    }
    return [what for what, wrong in found.items() if wrong]


def crowd_table(result: CrowdResult) -> str:
    """A row for each half of the run."""
    rows = {"alone": result.alone, f"beside {CROWD} orders at {ANSWER:g} s": result.beside}
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
    """How late each attempt was, once all orders have ended."""
    while not all(order and order.status in FINAL for order in deployment.context.stores.orders.get_many(ids)):
        time.sleep(0.5)
    return [attempt.late for order in final_orders(deployment, ids).values() for attempt in order.timeline]


def _tasks(deployment: LocalDeployment) -> int:
    """How many poll tasks the worker has run."""
    stats = deployment.app.control.inspect(timeout=60, limit=1).stats() or {}
    return sum(worker["total"].get("tasks.poll", 0) for worker in stats.values())
