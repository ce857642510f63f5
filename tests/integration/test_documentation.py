"""Code in the documentation does what it says."""

import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from standardwebhooks import Webhook

from cli.receiver import SECRET
from workers.embedded_redis import free_port

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
EVENT = '{"id": "evt_1", "type": "order.fulfilled", "order_id": "ord-1", "data": {"tickets": [{}, {}]}}'


def post(url: str, body: str, signed: str) -> int:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("evt_1", now, signed),
    }
    for _ in range(100):
        try:
            return requests.post(url, body, headers=headers, timeout=5).status_code
        except requests.ConnectionError:
            time.sleep(0.1)
    pytest.fail("the example does not listen")


def test_the_backend_of_the_events_page_takes_what_is_signed_and_each_event_once() -> None:
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
