"""A real Alertmanager over docs/ops/alertmanager.yml: one cause, one notification."""

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.tools import require_command
from tests.waiting import is_ready, wait_until
from willcall.devtools.embedded_redis import free_port

pytestmark = pytest.mark.proof

OPS = Path(__file__).parents[2] / "docs" / "ops"
CONFIG = yaml.safe_load((OPS / "alertmanager.yml").read_text())
RULES = {
    rule["alert"]: rule["labels"]["severity"]
    for group in yaml.safe_load((OPS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
TIQETS, PAYLOGIC = ({"provider": provider, "account": "default"} for provider in ("tiqets", "paylogic"))
#: The labels of alerts that are of no account.
LABELS = {
    "WillcallCallbacksLate": {"to": "backends"},
    "WillcallCallbacksRefused": {"http_status": "401"},
    "WillcallProcessLost": {"kind": "worker"},
    "WillcallQueueStuck": {"queue": "willcall.notify"},
    "WillcallSweepStale": {"sweep": "polls"},
}


class Alertmanager:
    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/v2/alerts"

    def send(self, alerts: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        body = [{"labels": {"alertname": name, "severity": RULES[name], **labels}} for name, labels in alerts]
        requests.post(self._url, json=body, timeout=30).raise_for_status()

    def notified(self) -> list[tuple[str, str]]:
        """Return the names and receivers of the alerts that are not inhibited, once all are processed."""
        found: list[dict[str, Any]] = []

        def processed() -> bool:
            found[:] = requests.get(self._url, timeout=30).json()
            return all(alert["status"]["state"] != "unprocessed" for alert in found)

        wait_until(processed)
        return sorted(
            (alert["labels"]["alertname"], receiver["name"])
            for alert in found
            if alert["status"]["state"] == "active"
            for receiver in alert["receivers"]
        )


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    require_command("prometheus-alertmanager")
    url = f"http://127.0.0.1:{free_port()}"
    options = [
        f"--config.file={OPS / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(["prometheus-alertmanager", *options], stdout=log, stderr=log)  # noqa: S603, S607
    try:
        wait_until(lambda: is_ready(f"{url}/-/ready"))
        yield Alertmanager(url)
    finally:
        process.terminate()
        process.wait()


def late(account: Mapping[str, str]) -> list[tuple[str, Mapping[str, str]]]:
    """Return what is late about the orders of an account."""
    names = ("OrdersOverdue", "OrdersNeedAttention", "OrdersAtRisk", "PollsLate", "AccountOverbooked")
    return [(f"Willcall{name}", account) for name in names]


def test_all_workers_dead_is_one_notification_to_the_pager(alertmanager: Alertmanager) -> None:
    names = ("CallbacksLate", "CallbacksRefused", "DocumentsLate", "ProcessLost", "QueueStuck", "SweepStale")
    alertmanager.send((f"Willcall{name}", LABELS.get(f"Willcall{name}", {})) for name in (*names, "MetricsMissing"))
    alertmanager.send([("WillcallOrdersOverdue", TIQETS), ("WillcallPollsLate", TIQETS), ("WillcallNoWorker", {})])
    assert alertmanager.notified() == [("WillcallNoWorker", "pager")]


def test_a_rejected_account_covers_its_own_orders_and_no_others(alertmanager: Alertmanager) -> None:
    alertmanager.send([("WillcallAccountUnauthorized", TIQETS), ("WillcallAccountPaused", TIQETS), *late(TIQETS)])
    alertmanager.send([("WillcallOrdersAtRisk", PAYLOGIC), ("WillcallOrdersNeedAttention", PAYLOGIC)])
    assert alertmanager.notified() == [
        ("WillcallAccountUnauthorized", "pager"),
        ("WillcallOrdersAtRisk", "pager"),
        ("WillcallOrdersNeedAttention", "operators"),
    ]


def test_a_cause_covers_what_follows_from_it(alertmanager: Alertmanager) -> None:
    causes = {
        "WillcallNoBeat": "WillcallSweepStale",
        "WillcallCallbacksRefused": "WillcallCallbacksLate",
        "WillcallDocumentStoreFull": "WillcallDocumentsLate",
    }
    alertmanager.send((name, LABELS.get(name, {})) for name in (*causes, *causes.values()))
    assert [name for name, _ in alertmanager.notified()] == sorted(causes)


def test_an_alert_alone_is_notified(alertmanager: Alertmanager) -> None:
    alertmanager.send([("WillcallOrdersOverdue", TIQETS)])
    assert alertmanager.notified() == [("WillcallOrdersOverdue", "pager")]


def test_the_rules_name_alerts_that_exist() -> None:
    matchers = [each for rule in CONFIG["inhibit_rules"] for side in rule.values() for each in side]
    patterns = [each.split('"')[1] for each in matchers if each.startswith("alertname")]
    assert patterns
    for pattern in patterns:
        assert any(re.fullmatch(pattern, name) for name in RULES), pattern
