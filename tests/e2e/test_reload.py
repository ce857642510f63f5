"""Real processes of every kind take a new configuration, or keep the old one, without a restart."""

import signal
import tomllib
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

import pytest

from tests.e2e.conftest import Setup, submit_all, wait_for_the_end
from tests.waiting import wait_until
from willcall.devtools.local_deployment import ChildProcess, LocalDeployment
from willcall.simulator.account_tables import to_toml
from willcall.simulator.script import OrderScript
from willcall.stores.accounts import AccountHealth
from willcall.stores.processes import ConfigurationState
from willcall.stores.registry import Stores
from workers.backlog import BacklogReader

KINDS = {"worker", "beat", "api", "flower"}


def change(system: LocalDeployment, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the configuration's tables, and replace the file as a careful operator does."""
    path = system.folder / "willcall.toml"
    tables = tomllib.loads(path.read_text())
    edit(tables)
    draft = path.with_suffix(".new")
    draft.write_text(to_toml(tables))
    draft.replace(path)


def hang_up(processes: Iterable[ChildProcess]) -> None:
    for process in processes:
        process.send_signal(signal.SIGHUP)


def states(system: LocalDeployment) -> dict[str, ConfigurationState]:
    """The configuration of each process, by its kind."""
    running = Stores.connect(system.redis.url).processes.running()
    return {process.kind: process.configuration for process in running if process.configuration}


def wait_for(system: LocalDeployment, true: Callable[[ConfigurationState], object]) -> None:
    """Wait until it is true of every process."""
    wait_until(lambda: all(true(state) for state in states(system).values()))


def start_all(system: LocalDeployment) -> list[ChildProcess]:
    processes = [system.start("worker"), system.start("beat"), system.start_api(), system.start_flower()]
    wait_until(lambda: states(system).keys() == KINDS)
    wait_for(system, lambda state: state.digest)
    return processes


def test_every_kind_of_process_takes_a_configuration_or_refuses_it_as_a_whole(deployment: Setup) -> None:
    system = deployment({"tiqets/default": {}})
    processes = start_all(system)
    before = {state.digest for state in states(system).values()}
    assert len(before) == 1

    def break_it(tables: dict[str, Any]) -> None:
        tables["notify"]["ops_url"] = "http://127.0.0.1:9/alerts"
        tables["providers"]["tiqets"]["default"]["rate"]["limit"] = -1

    change(system, break_it)
    hang_up(processes)
    wait_for(system, lambda state: "providers.tiqets.default.rate.limit" in "".join(state.errors))
    assert {state.digest for state in states(system).values()} == before

    def fix_it(tables: dict[str, Any]) -> None:
        tables["providers"]["tiqets"]["default"]["rate"]["limit"] = 5
        tables["documents_url"] = f"file://{system.folder}/elsewhere"

    change(system, fix_it)
    hang_up(processes)
    wait_for(system, lambda state: not state.errors and state.restart_for == ("documents_url",))
    after = {state.digest for state in states(system).values()}
    assert len(after) == 1
    assert after != before
    assert [process.poll() for process in processes] == [None] * 4
    for process in processes:
        process.terminate()
        process.send_signal(signal.SIGHUP)  # it must not kill a process that is stopping
    assert -signal.SIGHUP not in [process.wait(60) for process in processes]


@pytest.mark.proof
def test_a_worker_serves_a_provider_that_is_added_and_leaves_one_that_is_removed(
    deployment: Setup, broker: dict[str, str]
) -> None:
    system = deployment({"tiqets/default": {}, "paylogic/default": {}}, **broker)
    assert system.app, "it is made now, so it knows both"
    removed: dict[str, Any] = {}
    change(system, lambda tables: removed.update(paylogic=tables["providers"].pop("paylogic")))
    worker = system.start("worker", "--concurrency", "1")
    wait_until(lambda: served(system))
    assert "willcall.poll.paylogic" not in served(system)

    change(system, lambda tables: tables.update(providers=removed))
    hang_up([worker])
    wait_until(lambda: "willcall.poll.paylogic" in served(system))
    assert "willcall.poll.tiqets" not in served(system)
    scripts = [OrderScript(provider="paylogic", reference=f"order-{n}", ready_after=n) for n in range(3)]
    expected = submit_all(system, scripts)
    wait_for_the_end(system, expected)
    system.app.send_task("tasks.poll", ("ord-0", 1, "tiqets/default"), queue="willcall.poll.tiqets")
    more = submit_all(system, [OrderScript(provider="paylogic", reference="order-4")], prefix="more")
    wait_for_the_end(system, more)
    with closing(BacklogReader(system.app, ["willcall.poll.tiqets"])) as backlogs:
        assert backlogs.read()["willcall.poll.tiqets"].ready == 1


@pytest.mark.proof
def test_a_new_key_is_tried_at_once_on_an_account_that_rejected_the_old_one(deployment: Setup) -> None:
    system = deployment({"tiqets/default": {"health": {"probe": [3_600, 3_600]}}})
    system.providers.update_account("tiqets", add_credentials={"api_key": "key-of-tomorrow"}, revoke_earlier=True)
    worker = system.start("worker")
    expected = submit_all(system, [OrderScript(provider="tiqets", reference=str(1_000_000 + n)) for n in range(5)])
    stores, rate = system.context.stores, system.context.accounts["tiqets/default"].rate
    wait_until(lambda: stores.accounts.state("tiqets/default", rate).health is AccountHealth.UNAUTHORIZED)
    system.start("beat")
    change(system, lambda tables: tables["providers"]["tiqets"]["default"].update(api_key="key-of-tomorrow"))
    hang_up([worker])
    wait_for_the_end(system, expected)
    assert "key-of-tomorrow" not in (system.folder / "worker.log").read_text()


def served(system: LocalDeployment) -> list[str]:
    """The queues that workers serve."""
    running = Stores.connect(system.redis.url).processes.running("worker")
    return [queue for worker in running for queue in worker.detail["queues"].split(",")]
