"""The Python client against a running API."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.integration.api.conftest import Running
from willcall.client import (
    AuthenticationError,
    Client,
    ConflictError,
    NotFoundError,
    RejectedError,
    ResumeResult,
    UnavailableError,
    UnreachableError,
)
from willcall.devtools.embedded_redis import EmbeddedRedis, free_port
from willcall.orders.file_types import FILE_TYPES, FileType
from willcall.schemas.orders import Ticket
from willcall.stores.connection import connect
from willcall.stores.documents import DocumentStore

LATER = datetime(2099, 1, 1, tzinfo=UTC)


def test_an_order_is_submitted_read_polled_and_cancelled(client: Client) -> None:
    order = client.submit("tiqets", "1111111", id="ord-1", quantity=2, not_before=LATER)
    assert (order.id, order.status, order.not_before, order.final) == ("ord-1", "pending", LATER, False)
    assert client.submit("tiqets", "1111111", id="ord-1", quantity=2, not_before=LATER) == order
    assert client.order("ord-1") == order
    assert client.poll("ord-1").next_poll_at == LATER
    assert client.attempts("ord-1") == []
    assert client.cancel("ord-1").final
    assert "1111111" not in repr(order)


def test_a_rejection_is_an_error_with_its_problem(client: Client, api: Running) -> None:
    client.submit("tiqets", "1", id="ord-1")
    with pytest.raises(ConflictError, match="already exists with different content"):
        client.submit("tiqets", "2", id="ord-1")
    with pytest.raises(RejectedError) as rejected:
        client.submit("tiqets", "1", quantity=0, language="?")
    assert {each.field for each in rejected.value.problem.errors or ()} == {"quantity", "language"}
    with pytest.raises(NotFoundError):
        client.order("no/such")
    with pytest.raises(NotFoundError):
        client.pause("tiqets", "other")
    with Client(api.url, "wrong") as stranger, pytest.raises(AuthenticationError):
        stranger.order("ord-1")


def test_many_orders_are_submitted_over_several_calls(client: Client) -> None:
    common = {"provider": "tiqets", "reference": "1", "not_before": LATER}
    payloads = [{"id": f"ord-{number}", **common} for number in range(600)]
    results = list(client.submit_many([*payloads, {"provider": "nobody", "reference": "1"}]))
    assert [result.status_code for result in results] == [*[201] * 600, 422]
    assert results[599].order
    assert results[599].order.id == "ord-599"
    assert results[600].error
    assert "unknown provider nobody" in results[600].error.detail
    listed = [order.id for order in client.orders(status="pending", provider="tiqets")]
    assert listed == [f"ord-{number}" for number in reversed(range(600))]
    assert list(client.orders(attention=True)) == []


def test_the_feed_continues_at_its_cursor(client: Client) -> None:
    feed = client.events(page=2)
    assert list(feed) == []
    for number in range(5):
        client.submit("tiqets", "1", id=f"ord-{number}")
        client.cancel(f"ord-{number}")
    seen = [(event.type, event.data.id) for event in feed]
    assert seen == [("order.cancelled", f"ord-{number}") for number in range(5)]
    assert list(feed) == []
    assert list(client.events(after=feed.cursor)) == []


def test_the_cursor_moves_only_after_its_page_was_returned(client: Client) -> None:
    for number in range(4):
        client.submit("tiqets", "1", id=f"ord-{number}")
        client.cancel(f"ord-{number}")
    feed = client.events(page=2)
    handed = iter(feed)
    first = [next(handed), next(handed)]
    assert feed.cursor is None
    next(handed)
    assert next(iter(client.events(after=feed.cursor))).order_id == "ord-2"
    assert [event.order_id for event in first] == ["ord-0", "ord-1"]


def test_accounts_are_paused_and_resumed(client: Client) -> None:
    assert [account.account for account in client.accounts()] == ["tiqets/default", "tixstock/default"]
    assert client.pause("tiqets", seconds=60).until
    assert client.pause("tiqets").until is None
    assert client.resume("tiqets") == ResumeResult(resumed=True, until=None)
    assert client.resume("tiqets", now=True).resumed


def test_a_ticket_of_an_older_server_has_no_content_type() -> None:
    fields = dict.fromkeys(["url", "code", "code_format", "section", "row", "seat", "valid_from", "valid_until"])
    old = {"kind": "pdf", "document": "doc_1", "extra": {}, **fields}
    ticket = Ticket.from_json(old)
    assert (ticket.content_type, ticket.file_name) == (None, "doc_1.pdf")
    with pytest.raises(KeyError):
        Ticket.from_json({"kind": "pdf"})


@pytest.mark.parametrize("file_type", FILE_TYPES.values(), ids=FILE_TYPES)
def test_a_document_has_a_name_with_the_extension_of_its_type(file_type: FileType) -> None:
    fields = dict.fromkeys(["url", "code", "code_format", "section", "row", "seat", "valid_from", "valid_until"])
    ticket = Ticket(kind="pdf", document="doc_1", extra={}, content_type=file_type.content_type, **fields)
    assert ticket.file_name == f"doc_1.{file_type.extension}"
    assert replace(ticket, document=None).file_name is None


def test_a_document_is_downloaded_completely(
    client: Client, api: Running, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    client.submit("tiqets", "1", id="ord-1")
    content = b"%PDF-1.4\n%%EOF\n"
    document = DocumentStore(connect(redis_server.url), f"file://{api.folder}/documents").put(content, "ord-1")
    assert client.document("ord-1", document.id) == content
    client.save_document("ord-1", document.id, tmp_path / "tickets.pdf")
    assert (tmp_path / "tickets.pdf").read_bytes() == content
    with pytest.raises(NotFoundError):
        client.save_document("ord-1", "doc_0", tmp_path / "other.pdf")
    assert [path.name for path in tmp_path.iterdir()] == ["tickets.pdf"]


class FailingHandler(BaseHTTPRequestHandler):
    """Answers 503 at first; keeps the bodies."""

    bodies: list[bytes]
    forbidden_polls: int
    retry_after: str

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        refused = len(self.bodies) <= self.forbidden_polls
        answer = b"{}" if refused else b'{"results": []}'
        self.send_response(503 if refused else 200)
        self.send_header("Retry-After", self.retry_after)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def failing_server() -> Iterator[HTTPServer]:
    FailingHandler.bodies, FailingHandler.forbidden_polls, FailingHandler.retry_after = [], 2, "0"
    with HTTPServer(("127.0.0.1", 0), FailingHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_request_to_an_unreachable_server_is_retried_for_the_same_order(failing_server: HTTPServer) -> None:
    with Client(f"http://127.0.0.1:{failing_server.server_port}/") as client:
        assert list(client.submit_many([{"provider": "tiqets", "reference": "1"}])) == []
    assert len(FailingHandler.bodies) == 3
    assert len(set(FailingHandler.bodies)) == 1
    assert b'"id": "ord_' in FailingHandler.bodies[0]


def test_retries_end_at_the_timeout_and_no_wait_exceeds_it(failing_server: HTTPServer) -> None:
    FailingHandler.retry_after = "3600"
    with (
        Client(f"http://127.0.0.1:{failing_server.server_port}", patience=1) as client,
        pytest.raises(UnavailableError),
    ):
        list(client.submit_many([{"provider": "tiqets", "reference": "1"}]))
    assert len(FailingHandler.bodies) == 1
    with Client(f"http://127.0.0.1:{free_port()}", patience=0) as client, pytest.raises(UnreachableError):
        client.accounts()


def test_the_client_imports_nothing_else_of_the_project() -> None:
    code = "import sys, willcall.client; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()  # noqa: S603
    assert not {"pydantic", "redis", "celery", "fastapi", "structlog", "fsspec"} & set(loaded)
    assert "requests" in loaded
