"""What a caller can send at most: in bytes, in values, and in time."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest
import requests
import uvicorn

from tests.integration.api.conftest import KEY, Running, problem
from tests.integration.api.test_slow_callers import SLOW, head
from tests.integration.usecases.conftest import WEBHOOK_TOKENS, Setup, make_system
from willcall.api import request_body, server, webhooks
from willcall.api.app import create_api
from willcall.api.request_body import BODY_TIMEOUT, HEAD_START, MAX_BATCH_BYTES, SLOWEST, BodyLimits
from willcall.orders.submission import MAX_FIELD_ERRORS

__all__ = ["make_system"]

JSON = {"Content-Type": "application/json"}
#: Far above what one request may take, far below what nonsense took.
MEMORY = 150_000_000

NONSENSE = {
    "lists": b"[],",
    "objects": b"{},",
    "strings": b'"",',
    "numbers": b"1,",
    "keys": b'"a":1,',
    "nesting": b"[",
    "escapes": b'"\\"',
    "nothing": b"\x00",
}


def fill(piece: bytes, before: bytes = b'{"orders": [', after: bytes = b"1]}") -> bytes:
    """A batch as large as one may be."""
    return before + piece * ((MAX_BATCH_BYTES - len(before) - len(after)) // len(piece)) + after


@contextmanager
def little_memory(api: Running) -> Iterator[None]:
    """The process takes little more during the block, and answers probes."""
    process = psutil.Process(api.process.pid)
    before, most, done = process.memory_info().rss, [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            most.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    assert max(most) - before < MEMORY


@pytest.mark.parametrize("kind", NONSENSE)
def test_invalid_bodies_are_rejected_at_once_with_little_memory(api: Running, kind: str) -> None:
    with little_memory(api):
        answer = api.call("POST", "/v1/orders:batch", data=fill(NONSENSE[kind]), headers=JSON)
    problem(answer, 422, "rejected")
    assert len(answer.content) < 10_000


def test_the_errors_of_a_batch_are_reported_briefly(api: Running) -> None:
    order = {"provider": "tiqets", "reference": "1", **{f"{'x' * 1_000}-{number}": 1 for number in range(90)}}
    with little_memory(api):
        answer = api.post("/v1/orders:batch", {"orders": [order] * 150})
    results = answer.json()["results"]
    assert {result["status_code"] for result in results} == {422}
    assert all(len(result["error"]["errors"]) == MAX_FIELD_ERRORS + 1 for result in results)
    assert len(answer.content) < 150 * 12_000
    many = api.post("/v1/orders", dict.fromkeys(map(str, range(900)), 1))
    assert problem(many, 422, "rejected")["detail"] == "has more than 100 fields"


def test_a_large_batch_of_valid_orders_is_accepted(api: Running) -> None:
    text = '[{"a": "b,c"}] ' * 1_000  # it looks like nonsense, but it is text
    orders = [
        {"id": f"ord-{number}", "provider": "tiqets", "reference": f"{number}", "metadata": {"note": text}}
        for number in range(850)
    ]
    assert MAX_BATCH_BYTES * 0.8 < len(json.dumps({"orders": orders})) < MAX_BATCH_BYTES
    results = api.post("/v1/orders:batch", {"orders": orders}).json()["results"]
    assert {result["status_code"] for result in results} == {201}


@pytest.mark.parametrize(
    ("payload", "detail"),
    [
        (
            b'{"provider": "tiqets", "reference": "1", "id": "a\\u0000"}',
            "id: only letters, digits and . _ : @ ~ - are allowed, starting with a letter or digit (max 128)",
        ),
        (b'{"provider": "tiqets", "reference": "a\\u0000"}', "reference: must not contain control characters"),
        (b'{"provider": "tiqets", "reference": "1", "reference": "2"}', "the key 'reference' twice"),
        (b'{"provider": "tiqets", "reference": "1", "quantity": ' + b"1" * 5_000 + b"}", "out of range"),
        (b'{"provider": "tiqets", "reference": "1", "quantity": ' + b"1" * 4_000 + b"}", "quantity: "),
        (b'{"provider": "tiqets", "reference": "1", "quantity": 1e400}', "out of range"),
        (
            b'{"provider": "tiqets", "reference": "1", "metadata": {"a": "' + b"x" * 20_000 + b'"}}',
            "metadata: must be at most 16,384 characters in total",
        ),
    ],
)
def test_invalid_values_are_named(api: Running, payload: bytes, detail: str) -> None:
    answer = api.call("POST", "/v1/orders", data=payload, headers=JSON)
    assert detail in problem(answer, 422, "rejected")["detail"]


def test_a_compressed_body_is_rejected(api: Running) -> None:
    data = gzip.compress(b'{"provider": "tiqets", "reference": "1"}')
    for coding in ("gzip", "br", "deflate, gzip"):
        for path in ("/v1/orders", "/v1/orders:batch", "/v1/accounts/tiqets/default/pause"):
            answer = api.call("POST", path, data=data, headers={**JSON, "Content-Encoding": coding})
            problem(answer, 415, "unsupported-media-type")
    plain = {**JSON, "Content-Encoding": "identity"}
    assert api.call("POST", "/v1/orders:batch", data=b'{"orders": []}', headers=plain).status_code == 200


def test_a_body_announced_as_too_large_is_rejected_before_it_arrives(api: Running) -> None:
    for path, length in (("/v1/orders", 70_000), ("/v1/orders:batch", MAX_BATCH_BYTES + 1), ("/v1/orders", 10**18)):
        asked = head(path, length, key=KEY).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        assert api.exchange(asked).startswith(b"HTTP/1.1 413 ")
    assert api.exchange(head("/v1/orders", 10**18, key=KEY)).startswith(b"HTTP/1.1 413 ")


def test_a_wrong_content_length_does_no_harm(api: Running) -> None:
    order = b'{"provider": "tiqets", "reference": "1"}'
    assert api.exchange(head("/v1/orders", len(order) + 1, key=KEY) + order) == b"", "it hung up before the end"
    longer = api.exchange(head("/v1/orders", len(order) - 1, key=KEY) + order)
    assert longer.startswith(b"HTTP/1.1 422 ")
    two = head("/v1/orders", 1, key=KEY).replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n")
    assert api.exchange(two + b"{}").startswith(b"HTTP/1.1 400 ")
    assert api.exchange(head("/v1/orders", -1, key=KEY)).startswith(b"HTTP/1.1 400 ")
    assert api.get("/healthz").status_code == 200


def test_endless_chunks_are_read_up_to_a_limit(api: Running) -> None:
    chunked = head("/v1/orders", 0, key=KEY).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    sent: list[int] = []

    def send_without_end(connection: socket.socket) -> None:
        for number in range(1_000):
            connection.sendall(chunk)
            sent.append(number)

    with socket.create_connection(("127.0.0.1", int(api.url.rpartition(":")[2])), timeout=60) as connection:
        connection.sendall(chunked)
        with little_memory(api), pytest.raises(ConnectionError):
            send_without_end(connection)
    assert len(sent) < 200


def test_a_body_must_arrive_steadily() -> None:
    limits = BodyLimits()
    assert limits.allowed(0) == HEAD_START
    assert limits.allowed(5 * SLOWEST) == HEAD_START + 5
    assert limits.allowed(10**9) == BODY_TIMEOUT


class Impatient(uvicorn.Server):
    """The API in a thread of the test's process, so that its limits of time can be made short."""

    def __enter__(self) -> str:
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()
        while not self.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self.should_exit = True
        self._thread.join()


@pytest.fixture
def impatient(make_system: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for module, name in ((request_body, "HEAD_START"), (webhooks, "BODY_SECONDS"), (server, "HEAD_TIMEOUT")):
        monkeypatch.setattr(module, name, 0.2)
    context = make_system(callbacks=True).context
    app = create_api(lambda: context, {}, dict, exposed=False)
    config = server.configuration(app)
    config.port = 0
    with Impatient(config) as url:
        yield url


@pytest.mark.parametrize("kind", ["login", "order", "batch", "pause", "webhook", "head", "nothing"])
def test_a_slow_caller_gets_a_408_or_is_disconnected(impatient: str, kind: str) -> None:
    token = f"/webhooks/tiqets/default/{WEBHOOK_TOKENS['tiqets']}"
    sent = {**SLOW, "batch": head("/v1/orders:batch", 1_000) + b"{", "webhook": head(token, 100) + b"{"}[kind]
    expected = {"head": b"", "nothing": b"", "webhook": b"503"}.get(kind, b"408")
    port = int(impatient.rpartition(":")[2])
    host = f"Host: 127.0.0.1:{port}".encode()
    with ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
        connection.sendall(sent.replace(b"Host: willcall", host))
        heard = connection.recv(65_536)
        while kind != "webhook" and (more := connection.recv(65_536)):
            heard += more
        assert heard[9:12] == expected
    assert requests.get(f"{impatient}/healthz", timeout=60).status_code == 200
