import json
from pathlib import Path

import pytest
import requests

from tests.unit.willcall.simulator.conftest import NOON, Start
from willcall.simulator.account_tables import account_tables
from willcall.simulator.client import SimulatorError
from willcall.simulator.demo_script import demo_script
from willcall.simulator.launch import SimulatorProcess
from willcall.simulator.script import PROVIDERS, OrderScript, Script, load
from willcall.simulator.state import SimulatorState


def test_orders_added_later_start_their_clocks_then(start: Start) -> None:
    sim = start()
    sim.clock.now += 100
    assert sim.client.add_orders([{"provider": "tiqets", "reference": "1", "ready_after": 5}]) == 1
    assert sim.tiqets().json()["order_status"] == "pending"
    sim.clock.now += 5
    assert sim.tiqets().json()["order_status"] == "done"
    [order] = sim.client.orders()
    assert order == {
        "provider": "tiqets",
        "account": "default",
        "reference": "1",
        "ends": "fulfilled",
        "expect": "fulfilled",
        "known_at": NOON + 100,
        "requests": 2,
        "reported": ["issued", "pending"],
    }


def test_invalid_orders_are_rejected_all_together(start: Start) -> None:
    sim = start({"provider": "tiqets"})
    good = {"provider": "tixstock", "reference": "2"}
    with pytest.raises(SimulatorError, match="tiqets/default has 1 twice; tiqets has no account x"):
        sim.client.add_orders(
            [good, {"provider": "tiqets", "reference": "1"}, {"provider": "tiqets", "reference": "1", "account": "x"}]
        )
    assert len(sim.client.orders()) == 1


def test_the_ledger_can_be_filtered(start: Start) -> None:
    sim = start({"provider": "tiqets"}, {"provider": "tixstock"}, {"provider": "tiqets", "reference": "2"})
    sim.tiqets("1")
    sim.tixstock("1")
    sim.tiqets("2")
    assert [e["number"] for e in sim.client.ledger(provider="tiqets")] == [1, 3]
    assert [e["number"] for e in sim.client.ledger(reference="1")] == [1, 2]
    assert [e["number"] for e in sim.client.ledger(after=2)] == [3]
    sim.client.reset()
    sim.tiqets("1")
    assert [e["number"] for e in sim.client.ledger()] == [4]


def test_an_account_changes_only_in_the_fields_given(start: Start) -> None:
    sim = start({"provider": "tiqets"})
    rate = {"limit": 1.0, "period": 60.0, "burst": 1, "shared": None}
    assert sim.client.update_account("tiqets", rate=rate)["rate"] == rate
    assert sim.client.update_account("tiqets", minimum=3)["rate"] == rate
    for _ in range(2):
        sim.tiqets()
    faults = sim.client.verdict()["faults"]
    assert len(faults) == 2
    with pytest.raises(SimulatorError, match="no such account"):
        sim.client.update_account("tiqets", "x", revoked=True)
    with pytest.raises(SimulatorError, match="shut"):
        sim.client.update_account("tiqets", shut=True)


def test_a_child_process_serves_and_writes_its_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    script = Script(orders=(OrderScript(provider="voordemensen", reference="key"),))
    with SimulatorProcess(script, ledger=ledger) as simulator:
        assert simulator.client.orders()[0]["reference"] == "key"
        requests.get(f"{simulator.url}/voordemensen/v1/demo/order/key", timeout=60)
        [line] = ledger.read_text("utf-8").splitlines()
    assert json.loads(line)["order_status"] == "issued"
    assert simulator.process.returncode == 0


def test_a_script_is_read_from_toml_and_json(tmp_path: Path) -> None:
    toml, plain = tmp_path / "script.toml", tmp_path / "script.json"
    toml.write_text('[[orders]]\nprovider = "tiqets"\nreference = "1"\nanswers = [{do = "reset"}]\n', "utf-8")
    plain.write_text(load(toml).model_dump_json(), "utf-8")
    assert load(plain) == load(toml)
    assert load(plain).orders[0].answers[0].do == "reset"


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ({"provider": "voordemensen", "ends": "failed"}, "no word for a failed order"),
        ({"provider": "tiqets", "ends": "never", "cancel_after": 3}, "only an order that ends fulfilled"),
        ({"provider": "tiqets", "answers": [{"do": "dance"}]}, "dance"),
        ({"provider": "tiqets", "reddy_after": 3}, "reddy_after"),
    ],
)
def test_an_error_in_a_script_is_named(fields: dict[str, object], mistake: str) -> None:
    with pytest.raises(ValueError, match=mistake):
        OrderScript.model_validate({"reference": "1"} | fields)


def test_the_demo_has_every_provider_reference_and_end() -> None:
    script = demo_script()
    assert script == demo_script(seed=1)
    assert script != demo_script(seed=2)
    assert len(script.orders) >= 66
    assert {order.provider for order in script.orders} == set(PROVIDERS)
    assert {order.expected for order in script.orders} == {"fulfilled", "failed", "cancelled", "expired"}
    prefixes = {order.reference.partition(":")[0] for order in script.orders}
    assert {"user", "me", "ticket", "code", "mine"} <= prefixes
    longest = max(order.ready_after for order in script.orders if order.ends != "never")
    assert longest <= 22


def test_the_accounts_of_the_demo_match_the_client_configuration() -> None:
    tables = account_tables("http://127.0.0.1:1")
    script = demo_script()
    state = SimulatorState(script)
    for provider, account in {(order.provider, order.account) for order in script.orders}:
        table = tables[provider][account]
        own = table.get("public_bearer") or table.get("cognito_token")
        if own:
            credentials = [state.find_credential(provider, f"{scheme} {own}") for scheme in ("Bearer", "Cognito")]
            assert state.accounts[provider, account] in [each.account for each in credentials if each]
