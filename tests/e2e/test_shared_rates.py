"""Two accounts behind one address, which the provider limits."""

import pytest

from tests.e2e.conftest import JITTER, Setup, submit_all, wait_for_the_end
from tests.virtual_time import most_over
from willcall.orders.policy import Rate
from willcall.simulator.script import OrderScript

RATE = {"limit": 20, "period": 1, "burst": 5, "shared": "address"}


@pytest.mark.proof
def test_two_accounts_with_a_shared_rate_stay_within_it_together(deployment: Setup) -> None:
    system = deployment({"tixstock/default": {"rate": RATE}, "tixstock/second": {"rate": RATE}})
    system.start("worker", "--concurrency", "4")
    names = ["default", "second"]
    orders = [
        OrderScript(provider="tixstock", account=name, reference=f"{name}-{n}") for n in range(25) for name in names
    ]
    wait_for_the_end(system, submit_all(system, orders))
    ledger = system.providers.ledger(provider="tixstock")
    assert len(ledger) == 50
    assert {entry["account"] for entry in ledger} == set(names)
    verdict = system.providers.verdict()
    assert verdict["ok"], verdict["faults"]
    allowed = Rate(20, 1, 5 + round(JITTER * 20))
    assert most_over([entry["arrived"] for entry in ledger], allowed) <= 0
