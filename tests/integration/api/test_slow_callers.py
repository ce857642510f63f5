"""Callers that send slowly or not at all do not delay others."""

import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests

from tests.integration.api.conftest import KEY, OPERATOR_KEY, Running
from tests.integration.api.operator import board
from willcall.api.server import MAX_CONNECTIONS
from willcall.devtools.embedded_redis import EmbeddedRedis

TIQETS, TIXSTOCK = "wht-tiqets-77ab-0123456789", "wht-tixstock-5d1c-0123456789"

#: More than may be worked on at once, of whatever kind.
MANY = 150


@pytest.fixture(scope="module")
def served(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    tokens = {
        "WILLCALL_PROVIDERS__TIQETS__DEFAULT__WEBHOOK_TOKEN": TIQETS,
        "WILLCALL_PROVIDERS__TIXSTOCK__DEFAULT__WEBHOOK_TOKEN": TIXSTOCK,
    }
    folder = tmp_path_factory.mktemp("slow")
    with board(folder, redis_server.url, OPERATOR_KEY, environment=tokens) as api:
        yield api


@pytest.fixture
def api(served: Running, redis: object) -> Running:  # noqa: ARG001 - empties it
    return served


def head(path: str, length: int, *, key: str | None = None, content_type: str = "application/json") -> bytes:
    """The head of a POST."""
    given = f"Authorization: Bearer {key}\r\n" if key else ""
    return (
        f"POST {path} HTTP/1.1\r\nHost: willcall\r\n{given}Content-Type: {content_type}\r\n"
        f"Sec-Fetch-Site: same-origin\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


SLOW = {
    "login": head("/login", 100, content_type="application/x-www-form-urlencoded") + b"k",
    "order": head("/v1/orders", 100, key=KEY) + b"{",
    "batch": head("/v1/orders:batch", 10_000_000, key=KEY) + b"{" + b" " * 100_000,
    "pause": head("/v1/accounts/tiqets/default/pause", 100, key=KEY) + b"{",
    "webhook": head(f"/webhooks/tiqets/default/{TIQETS}", 100) + b"{",
    "upload": head(f"/webhooks/tixstock/default/{TIXSTOCK}", 10_000_000) + b"{" + b" " * 100_000,
    "head": b"GET /v1/orders HTTP/1.1\r\nHost: willcall\r\n",
    "nothing": b"",
}


def connect(stack: ExitStack, api: Running, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(api.url.rpartition(":")[2])), timeout=60)
    stack.enter_context(connection)
    connection.sendall(sent)
    return connection


def push(api: Running) -> requests.Response:
    """Tixstock calls, signed."""
    body = json.dumps({"data": {"order_id": "o-1"}, "meta": {"type": "order.update"}}).encode()
    signature = hmac.new(b"top-secret-key", body, hashlib.sha256).hexdigest()
    headers = {"X-Tixstock-Signature": signature}
    return requests.post(f"{api.url}/webhooks/tixstock/default/{TIXSTOCK}", body, headers=headers, timeout=60)


def all_is_served(api: Running) -> None:
    assert api.get("/healthz").status_code == 200
    ready = api.get("/readyz")
    assert ready.status_code == 200, ready.text
    assert api.get("/v1/orders").status_code == 200
    assert api.submit().status_code in {200, 201}
    assert api.post("/v1/orders:batch", {"orders": []}).status_code == 200
    assert push(api).status_code == 200
    notified = requests.post(f"{api.url}/webhooks/tiqets/default/{TIQETS}", b"{}", timeout=60)
    assert notified.status_code == 200
    sent = {"Sec-Fetch-Site": "same-origin"}
    form = {"key": OPERATOR_KEY}
    assert requests.post(f"{api.url}/login", form, headers=sent, timeout=60, allow_redirects=False).status_code == 303
    assert requests.get(f"{api.url}/login", timeout=60).status_code == 200


def unanswered(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    return False


@pytest.mark.parametrize("kind", SLOW)
def test_slow_callers_do_not_use_up_the_capacity(api: Running, kind: str) -> None:
    with ExitStack() as stack:
        for _ in range(MANY):
            connect(stack, api, SLOW[kind])
        all_is_served(api)


def test_idle_connections_are_closed_when_all_are_in_use(api: Running) -> None:
    with ExitStack() as stack:
        kinds = [*SLOW.values()]
        slow = [connect(stack, api, kinds[number % len(kinds)]) for number in range(MAX_CONNECTIONS + MANY)]
        all_is_served(api)
        assert sum(map(unanswered, slow)) < MAX_CONNECTIONS


def test_an_active_upload_is_closed_after_the_idle_ones(api: Running) -> None:
    """An upload that continues is the last to be closed."""
    others, piece = MAX_CONNECTIONS + MANY, b" " * 5_000
    with ExitStack() as stack:
        upload = connect(stack, api, head("/v1/orders:batch", others * len(piece), key=KEY))
        for _ in range(others):
            upload.sendall(piece)
            connect(stack, api, b"")
        assert upload.recv(1_000).startswith(b"HTTP/1.1 422 ")
