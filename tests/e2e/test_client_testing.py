"""`willcall_client.testing` brings orders to what a backend must be able to handle."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from willcall.orders.model import Attention, Status
from willcall_client.outcomes import ABLE, ATTENTIONS, STATUSES
from willcall_client.testing import WillcallServer
from willcall_client.webhooks import verify

pytestmark = pytest.mark.proof

WILLCALL = Path(sys.executable).with_name("willcall")
PAGE = (Path(__file__).parents[2] / "docs" / "test-your-backend.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PROVIDERS = ("funtrips", "paylogic", "tiqets", "tixstock")  # voordemensen is asked every ten seconds at most


@pytest.fixture(scope="module")
def server() -> Iterator[WillcallServer]:
    with WillcallServer(WILLCALL) as server:
        yield server


def cases(wanted: "dict[str, dict[str, object]]") -> "list[tuple[str, str]]":
    return [(provider, each) for each in wanted for provider in PROVIDERS if provider in ABLE.get(each, PROVIDERS)]


def test_every_status_can_be_reached() -> None:
    assert set(STATUSES) == set(Status)
    # A backend causes `undeliverable` by its own response, and a payment needs a customer.
    assert set(ATTENTIONS) >= set(Attention) - {"undeliverable", "approval"}


@pytest.mark.parametrize(("provider", "status"), cases(STATUSES))
def test_an_order_comes_to_a_status(server: WillcallServer, provider: str, status: str) -> None:
    account = "expiring" if status == "expired" else "default"
    order_id = f"{provider}-{status}"
    server.client.submit(provider, order_id, id=order_id, quantity=2, account=account)
    order = server.bring_to(order_id, status)
    assert bool(order.tickets) == (status in {"partial", "fulfilled"})
    if status != "pending":
        webhook = server.webhook(order_id)
        event = verify(webhook.body, webhook.headers, server.webhook_secret)
        assert (event.order_id, event.data.status) == (order_id, status)


@pytest.mark.parametrize(("provider", "attention"), cases(ATTENTIONS))
def test_an_order_needs_attention(server: WillcallServer, provider: str, attention: str) -> None:
    order_id = f"{provider}-{attention}"
    server.client.submit(provider, order_id, id=order_id)
    assert not server.bring_to_attention(order_id, attention).final
    assert server.bring_to(order_id, "fulfilled").attention is None


def test_an_open_order_is_put_at_risk(server: WillcallServer) -> None:
    server.client.submit("tiqets", "3", id="cart-3")
    assert not server.put_at_risk("cart-3").final
    assert "order.at_risk" in [event.type for event in server.client.events() if event.order_id == "cart-3"]


def test_an_order_changes_its_mind(server: WillcallServer) -> None:
    server.client.submit("tixstock", "1", id="cart-1", quantity=2)
    for status in ("partial", "fulfilled"):
        server.bring_to("cart-1", status)
    events = [event.type for event in server.client.events() if event.order_id == "cart-1"]
    assert [each for each in events if each != "order.updated"] == ["order.partial", "order.fulfilled"]


def test_what_cannot_be_is_named(server: WillcallServer) -> None:
    server.client.submit("tiqets", "2", id="cart-2")
    with pytest.raises(ValueError, match=r"tiqets never says 'partial'; of .* paylogic, tixstock do"):
        server.bring_to("cart-2", "partial")
    with pytest.raises(ValueError, match="'done' is none of pending, partial"):
        server.bring_to("cart-2", "done")
    with pytest.raises(ValueError, match="submit it with account='expiring'"):
        server.bring_to("cart-2", "expired")
    with pytest.raises(LookupError, match="no event of order cart-2 yet"):
        server.webhook("cart-2")


#: The test client of the page's reader.
CLIENT = """
import flask, pytest
from willcall_client.webhooks import verify

@pytest.fixture
def client(willcall_server):
    app = flask.Flask("shop")

    @app.post("/willcall")
    def receive():
        verify(flask.request.get_data(), flask.request.headers, willcall_server.webhook_secret)
        return "", 204

    return app.test_client()
"""


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    conftest, tests, receiving, scripting = BLOCKS
    (tmp_path / "conftest.py").write_text(conftest + CLIENT)
    (tmp_path / "test_tickets.py").write_text(tests + receiving)
    lines = ["def test_scripts(willcall_server):", "server = willcall_server", *scripting.splitlines()]
    (tmp_path / "test_z_scripts.py").write_text("\n    ".join(lines))
    ended = subprocess.run(  # noqa: S603 - our own documentation
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:valkey", str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"WILLCALL_BIN": str(WILLCALL)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert "6 passed" in ended.stdout, ended.stdout
