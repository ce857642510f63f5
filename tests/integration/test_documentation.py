"""Code in the documentation does what it says."""

import os
import re
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import requests
import yaml
from standardwebhooks import Webhook

from tests.waiting import wait_until
from willcall.devtools.callback_receiver import SECRET
from willcall.devtools.embedded_redis import free_port
from willcall.orders.model import FINAL, Attention, Status
from willcall.stores.accounts import AccountHealth

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "events.md"
EVENT = '{"id": "evt_1", "type": "order.fulfilled", "order_id": "ord-1", "data": {"tickets": [{}, {}]}}'


def post(url: str, body: str, signed: str) -> int:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("evt_1", now, signed),
    }
    answers: list[int] = []

    def answered() -> list[int]:
        with suppress(requests.ConnectionError):
            answers.append(requests.post(url, body, headers=headers, timeout=60).status_code)
        return answers

    wait_until(answered)  # at first it does not listen yet
    return answers[0]


def test_the_backend_of_the_events_page_accepts_each_signed_event_once() -> None:
    [example] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    port = free_port()
    backend = subprocess.Popen(  # noqa: S603 - our own documentation
        [sys.executable, "-c", example.replace("9000", str(port))],
        env={**os.environ, "WILLCALL_NOTIFY__SECRET": SECRET},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        url = f"http://127.0.0.1:{port}/"
        assert [post(url, EVENT, EVENT), post(url, EVENT, EVENT), post(url, EVENT, "forged")] == [204, 204, 401]
    finally:
        backend.kill()
        out, _ = backend.communicate()
    assert out == "order.fulfilled ord-1 2 tickets\n"


def test_the_runbook_covers_each_alert_attention_health_and_final_status() -> None:
    runbook = (DOCS / "ops" / "runbook.md").read_text()
    headings = set(re.findall(r"^### (\S+)$", runbook, re.MULTILINE))
    (group,) = yaml.safe_load((DOCS / "ops" / "alerts.yml").read_text())["groups"]
    alerts = {rule["alert"]: rule["annotations"]["runbook"] for rule in group["rules"] if "alert" in rule}
    assert len(alerts) > 10
    assert {name: f"docs/ops/runbook.md#{name.lower()}" for name in alerts} == alerts
    assert headings >= {*alerts, *Attention, *(FINAL - {Status.FULFILLED})}
    assert all(f"| {health} |" in runbook for health in AccountHealth)


def test_every_row_of_a_table_has_as_many_cells_as_its_header() -> None:
    for page in (DOCS.parent / "README.md", *DOCS.rglob("*.md")):
        for table in re.findall(r"(?:^\|.*\|$\n?)+", page.read_text(encoding="utf-8"), re.MULTILINE):
            rows = [re.sub(r"`[^`]*`|\\\|", "", row) for row in table.splitlines()]
            assert {row.count("|") for row in rows} == {rows[0].count("|")}, (page.name, rows[0])
