"""State and messages in a Redis that fails over while orders wait, are polled and notified."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Setup, orders_of, submit_all, wait_for_the_end
from tests.e2e.sentinel import Failover
from tests.waiting import wait_until
from willcall.orders.model import Status
from willcall.simulator.script import OrderScript

pytestmark = pytest.mark.proof


def test_orders_end_as_scripted_after_a_sentinel_failover(tmp_path: Path, deployment: Setup) -> None:
    with Failover(tmp_path / "failover") as redis:
        system = deployment({"tiqets/default": {}, "tixstock/default": {}}, redis_url=redis.url)
        first = redis.master
        system.start("beat")
        system.start("worker")
        system.wait_for_workers(1)
        expected = submit_all(
            system,
            [
                *(OrderScript(provider="tiqets", reference=f"{1_000_000 + n}", ready_after=n / 5) for n in range(50)),
                *(
                    OrderScript(provider="tixstock", reference=f"t{n}", ready_after=10, ends="failed")
                    for n in range(10)
                ),
            ],
        )
        wait_until(lambda: sum(order.status is Status.FULFILLED for order in orders_of(system, expected)) > 3)
        redis.kill_master()
        wait_until(lambda: redis.master != first)
        wait_for_the_end(system, expected)
