"""The sweep `reconcile` reads all pages of a provider's list."""

from typing import Any

import pytest

from schedules import reconcile
from schedules.sweeps import run_sweep
from tests.integration.usecases.conftest import Setup, System
from willcall.simulator.script import AccountScript, OrderScript
from willcall.stores import keys

FAST = {"limit": 100, "period": 1, "burst": 100}


def system_with_orders(make_system: Setup, count: int, rate: Any = FAST, **fields: Any) -> System:
    """Paylogic has cancelled `count` orders, two to a page, which are still fulfilled here."""
    account = AccountScript.model_validate(
        {"provider": "paylogic", "name": "default", **fields},
    )
    h = make_system(scripts=[account], rate=rate)
    for number in range(count):
        script = OrderScript(
            provider="paylogic", reference=f"order{number}", page_size=2, ends="cancelled", ready_after=0
        )
        h.submit(script, id=f"ord-{number}")
        h.redis.hset(keys.order(f"ord-{number}"), mapping={"status": "fulfilled", "ask": 0})
    return h


def requests_for_lists(h: System) -> int:
    return sum(request["kind"] == "list" for request in h.providers.ledger(provider="paylogic"))


def test_all_pages_of_a_list_are_read(make_system: Setup) -> None:
    h = system_with_orders(make_system, 5)
    assert run_sweep(h.context, "reconcile") == {"late_checks": 0, "differing": 5}
    assert requests_for_lists(h) == 3


def test_one_run_reads_a_limited_number_of_pages(make_system: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "MAX_PAGES", 2)
    h = system_with_orders(make_system, 5)
    assert run_sweep(h.context, "reconcile") == {"late_checks": 0, "differing": 4}
    assert requests_for_lists(h) == 2


def test_each_page_takes_a_token(make_system: Setup) -> None:
    h = system_with_orders(make_system, 5, rate={"limit": 1, "period": 3_600, "burst": 2})
    assert run_sweep(h.context, "reconcile") == {"late_checks": 0, "differing": 4}
    assert requests_for_lists(h) == 2


@pytest.mark.parametrize("status", [200, 503, 429])
def test_a_wait_asked_for_by_a_page_ends_the_list_and_postpones_the_next(make_system: Setup, status: int) -> None:
    usual = {"do": "usual"}
    waiting = {**usual, "retry_after": 600} if status == 200 else {"do": "status", "status": status, "retry_after": 600}
    h = system_with_orders(make_system, 5, list_answers=[usual, waiting])
    assert run_sweep(h.context, "reconcile")["differing"] == (4 if status == 200 else 2)
    assert run_sweep(h.context, "reconcile")["differing"] == 0
    assert requests_for_lists(h) == 2
    assert h.context.stores.accounts.is_throttled("paylogic/default") == (status == 429)
