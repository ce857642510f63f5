"""What a running API and a running worker show to Prometheus: all that the page, the alerts and the dashboard name."""

import json
import re
from pathlib import Path

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import Setup, orders_of, submit_all, wait_for_the_end
from tests.waiting import wait_until
from willcall.devtools.embedded_redis import free_port
from willcall.simulator.script import OrderScript

DOCS = Path(__file__).parents[2] / "docs"
#: What the client adds to a histogram's own labels.
BUCKET = {"le"}


class Exposition:
    """Families with their types and the labels of their samples, of all processes together."""

    def __init__(self, *addresses: str) -> None:
        self.types: dict[str, str] = {}
        self.labels: dict[str, set[str]] = {}
        self.values: dict[str, float] = {}
        for address in addresses:
            for family in text_string_to_metric_families(requests.get(address, timeout=10).text):
                name = f"{family.name}_total" if family.type == "counter" else family.name
                self.types[name] = family.type
                for sample in family.samples:
                    self.labels.setdefault(name, set()).update(sample.labels.keys() - BUCKET)
                    self.values[sample.name] = self.values.get(sample.name, 0) + sample.value

    def ours(self) -> dict[str, tuple[str, set[str]]]:
        return {
            name: (kind, self.labels.get(name, set()))
            for name, kind in self.types.items()
            if name.startswith("willcall_")
        }


def documented() -> dict[str, tuple[str, set[str]]]:
    """Metrics as docs/metrics.md has them: name -> (type, labels)."""
    rows = re.findall(r"^\| `(willcall_\w+)` \| (\w+) \|([^|]*)\|", (DOCS / "metrics.md").read_text(), re.MULTILINE)
    assert len(rows) > 20
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def used() -> set[str]:
    """The names of samples in alert rules and the dashboard."""
    rules = yaml.safe_load((DOCS / "ops" / "alerts.yml").read_text())
    queries = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((DOCS / "ops" / "grafana-dashboard.json").read_text())
    queries += [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return {name for query in queries for name in re.findall(r"\b(?:willcall|process)_\w+", query)}


@pytest.mark.proof
def test_a_running_system_has_all_documented_and_queried_metrics(deployment: Setup) -> None:
    system = deployment({"tiqets/default": {"rate": {"limit": 5, "period": 1, "burst": 2}}, "voordemensen/default": {}})
    port = free_port()
    system.start("worker", "--metrics-port", str(port))
    system.start("beat")
    system.start_api()
    system.wait_for_api()
    orders = [OrderScript(provider="tiqets", reference=str(1_000_000 + n), ready_after=0) for n in range(4)]
    expected = submit_all(system, orders, callback_url=f"{system.api_url}/healthz")
    wait_for_the_end(system, expected)
    stores = system.context.stores
    stores.accounts.pause("voordemensen/default", None)
    wait_until(lambda: "polls" in stores.sweeps.last_runs() and len(stores.processes.running()) == 3)
    addresses = [f"{system.api_url}/metrics", f"http://127.0.0.1:{port}/metrics"]
    wait_until(lambda: Exposition(addresses[1]).values["willcall_callbacks_total"] >= 4)
    shown = Exposition(*addresses)
    assert shown.ours() == documented()
    assert used() - shown.values.keys() == set()
    assert shown.values["willcall_attempts_total"] == sum(order.attempts for order in orders_of(system, expected))
    assert shown.values["willcall_orders_ended_total"] == len(expected)
    assert shown.values["willcall_processes"] == 3
