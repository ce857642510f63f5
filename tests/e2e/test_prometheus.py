"""A real Prometheus over docs/ops/, beside a running system."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.e2e.conftest import Setup, submit_all
from tests.tools import require_command
from tests.waiting import is_ready, wait_until
from willcall.devtools.embedded_redis import free_port
from willcall.simulator.script import OrderScript

pytestmark = pytest.mark.proof

OPS = Path(__file__).parents[2] / "docs" / "ops"


class Prometheus:
    """A server that looks every second; `targets` by the name of their job."""

    def __init__(self, folder: Path, targets: Mapping[str, str], key: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        (folder / "key").write_text(key)
        config = yaml.safe_load((OPS / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(OPS / "alerts.yml")]
        for job in config["scrape_configs"]:
            del job["dns_sd_configs"]
            job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
            if "authorization" in job:
                job["authorization"]["credentials_file"] = str(folder / "key")
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    @contextmanager
    def running(self) -> Iterator[None]:
        options = [
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        with (self._folder / "prometheus.log").open("wb") as log:
            process = subprocess.Popen(["prometheus", *options], stdout=log, stderr=log)  # noqa: S603, S607
        try:
            wait_until(lambda: is_ready(f"{self.url}/-/ready"))
            yield
        finally:
            process.terminate()
            process.wait()

    def health_of_targets(self) -> dict[str, str]:
        return {one["labels"]["job"]: one["health"] for one in self._ask("targets")["activeTargets"]}

    def health_of_rules(self) -> set[str]:
        return {rule["health"] for group in self._ask("rules")["groups"] for rule in group["rules"]}

    def alerts(self) -> dict[str, dict[str, str]]:
        """Alerts that fire, or would if it lasts: name -> labels."""
        return {one["labels"]["alertname"]: one["labels"] for one in self._ask("alerts")["alerts"]}

    def _ask(self, what: str) -> Any:
        return requests.get(f"{self.url}/api/v1/{what}", timeout=5).json()["data"]


def test_prometheus_sees_all_processes_and_a_revoked_key(deployment: Setup, tmp_path: Path) -> None:
    require_command("prometheus")
    system = deployment(
        {"tiqets/default": {}}, api={"keys": ["key-of-a-backend"], "operator_keys": ["key-of-an-operator"]}
    )
    port = free_port()
    system.start("worker", "--metrics-port", str(port))
    system.start("beat")
    system.start("api", "--host", "0.0.0.0", "--port", str(system.api_port))  # noqa: S104 - so that a key is needed
    system.wait_for_api()
    targets = {"willcall-api": f"127.0.0.1:{system.api_port}", "willcall-worker": f"127.0.0.1:{port}"}
    prometheus = Prometheus(tmp_path, targets, "key-of-an-operator")
    with prometheus.running():
        wait_until(lambda: prometheus.health_of_targets() == dict.fromkeys(targets, "up"))
        wait_until(lambda: prometheus.health_of_rules() == {"ok"} and prometheus.alerts() == {})
        system.providers.update_account("tiqets", revoked=True)
        submit_all(system, [OrderScript(provider="tiqets", reference="1000001")])
        wait_until(lambda: "WillcallAccountUnauthorized" in prometheus.alerts())
        labels = prometheus.alerts()["WillcallAccountUnauthorized"]
        assert (labels["provider"], labels["account"], labels["severity"]) == ("tiqets", "default", "page")
