from itertools import pairwise

import pytest

from bench.chaos import orders
from bench.chaos.faults import DURATIONS, PAIR, QUIET, TRACKS, FaultKind, plan_faults
from willcall.config import load
from willcall.simulator.account_tables import account_tables
from willcall.simulator.script import PROVIDERS, Script
from willcall.simulator.state import SimulatorState
from willcall.usecases.poll_once import LEASE_MARGIN


def test_a_seed_determines_faults_and_orders() -> None:
    assert plan_faults(1, 120) == plan_faults(1, 120) != plan_faults(2, 120)
    assert orders.orders(1, 100) == orders.orders(1, 100) != orders.orders(2, 100)


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_of_fault_occurs_within_the_run(seed: int) -> None:
    blows = plan_faults(seed, 90)
    assert {blow.kind for blow in blows} == set(FaultKind)
    assert all(blow.at >= QUIET and blow.at + blow.lasts <= 90 - QUIET for blow in blows)
    assert {blow.target for blow in blows} <= set(range(PAIR))
    for kinds, (gap, _) in TRACKS:
        track = [blow for blow in blows if blow.kind in kinds]
        assert all(after.at >= before.at + before.lasts + gap - 0.02 for before, after in pairwise(track))


def test_a_worker_is_never_frozen_for_as_long_as_the_margin_of_its_leases() -> None:
    assert DURATIONS[FaultKind.WORKER_FREEZE][1] < LEASE_MARGIN


def test_the_orders_fit_the_simulator_and_the_references_the_providers() -> None:
    scripts = orders.orders(7, 500)
    SimulatorState(Script(accounts=orders.accounts(500), orders=tuple(scripts)))
    accounts = account_tables("http://127.0.0.1:1")
    settings = {
        f"WILLCALL_PROVIDERS__{provider}__{name}__{field}".upper(): value
        for provider, tables in accounts.items()
        for name, table in tables.items()
        for field, value in table.items()
    }
    config = load(settings)
    for script in scripts:
        account = config.account(script.provider, script.account)
        account.adapter.check_reference(script.reference, account.credentials)


def test_all_providers_accounts_statuses_and_faults_occur() -> None:
    scripts = orders.orders(7, 1_000)
    assert {script.provider for script in scripts} == set(PROVIDERS)
    assert {(script.provider, script.account) for script in scripts} == set(orders.RATES)
    assert {script.expected for script in scripts} == {"fulfilled", "failed", "cancelled", "expired"}
    assert {fault.do for script in scripts for fault in script.answers} >= {
        "status",
        "malformed",
        "hang",
        "reset",
        "cut",
    }
    refusals = [fault for script in scripts for fault in script.answers if getattr(fault, "status", None) == 403]
    assert {(fault.gateway, fault.retry_after is None) for fault in refusals} == {
        (True, True),
        (True, False),
        (False, True),
    }
    assert any(script.partial_after is not None for script in scripts)
