"""A provider that answers slowly, beside one that does not."""

from typing import Any

import pytest

from tests.e2e.conftest import Setup, submit_all, unlike
from tests.e2e.test_chain import polls
from tests.waiting import wait_until
from willcall.devtools.local_deployment import LocalDeployment
from willcall.simulator.script import OrderScript

pytestmark = pytest.mark.proof

#: Seconds that the slow provider takes for an answer, and how many orders it has.
ANSWER, CROWD = 1.0, 60
#: Threads of the worker, and how many of them are reserved for each provider.
CONCURRENCY, RESERVED = 8, 2
#: Orders of the healthy provider, each of which is polled a few times.
HEALTHY = 20
PATIENT = {"http": {"read_timeout": 30, "total_timeout": 40}}
#: Every overdue order would be sent again at once, if the sweep took a crowd for lost messages.
EAGER = {"sweeps": {"polls": 0.5, "grace": 0.5}}


def healthy(name: str) -> list[OrderScript]:
    return [OrderScript(provider="tixstock", reference=f"{name}-{n}", ready_after=4) for n in range(HEALTHY)]


def crowd() -> list[OrderScript]:
    slow: list[Any] = [{"do": "hang", "seconds": ANSWER, "times": 9}]
    return [OrderScript(provider="tiqets", reference=str(1_000_000 + n), answers=slow) for n in range(CROWD)]


def most_at_once(deployment: LocalDeployment) -> int:
    """How many requests the slow provider was answering at the same time."""
    arrivals = [entry["arrived"] for entry in deployment.providers.ledger(provider="tiqets")]
    return max(sum(start <= moment < start + 0.9 * ANSWER for start in arrivals) for moment in arrivals)


def test_a_crowd_at_a_slow_provider_delays_no_other_and_causes_no_needless_tasks(
    deployment: Setup, broker: dict[str, str]
) -> None:
    system = deployment({"tiqets/default": PATIENT, "tixstock/default": PATIENT}, **EAGER, **broker)
    system.start("beat")
    system.start("worker", "--concurrency", str(CONCURRENCY))
    system.wait_for_workers(1)
    crowded = submit_all(system, crowd(), "slow")
    wait_until(lambda: len(system.providers.ledger(provider="tiqets")) >= 4)
    tasks, requests = polls(system), len(system.providers.ledger())
    beside = submit_all(system, healthy("beside"), "beside")
    wait_until(lambda: not unlike(system, beside))
    wait_until(lambda: len(unlike(system, crowded)) < CROWD / 4, 100)
    assert most_at_once(system) <= CONCURRENCY - RESERVED, "places are kept for the healthy provider"
    made = len(system.providers.ledger()) - requests
    # Over Redis none is needless. What RabbitMQ delivers without a free slot is redelivered, ever more rarely.
    assert polls(system) - tasks <= (1.5 if not broker else 6) * made + CROWD / 4
    verdict = system.providers.verdict()
    assert verdict["ok"], verdict["faults"]
