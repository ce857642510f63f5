"""Access to the API with and without keys, and while a dependency is unreachable."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.api.conftest import KEY, OTHER_KEY, ROOT, Running, problem, running
from tests.waiting import wait_until
from willcall.api.server import loopback_only
from willcall.devtools.embedded_redis import EmbeddedRedis, free_port


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis that may be stopped."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("own-redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def keyless(own_redis: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An API without keys."""
    with running(tmp_path_factory.mktemp("keyless"), own_redis.url) as api:
        yield api


def test_every_call_but_the_probes_needs_one_of_the_keys(api: Running) -> None:
    calls = [
        ("GET", "/v1/orders"),
        ("POST", "/v1/orders"),
        ("POST", "/v1/orders:batch"),
        ("GET", "/v1/orders/x"),
        ("POST", "/v1/orders/x/cancel"),
        ("GET", "/v1/events"),
        ("POST", "/v1/accounts/tiqets/default/pause"),
    ]
    wrong = ["wrong", KEY[:-1], f"{KEY}x"]
    for (method, path), key in [*((call, None) for call in calls), *zip(calls, wrong * 3, strict=False)]:
        answer = api.call(method, path, key=key)
        problem(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    problem(api.get("/v1/orders", key=None, headers={"Authorization": f"Basic {KEY}"}), 401, "unauthorized")
    two = (
        f"GET /v1/orders HTTP/1.1\r\nHost: willcall\r\nAuthorization: Bearer {KEY}\r\nAuthorization: Bearer {OTHER_KEY}"
    )
    assert b"only one key is accepted" in api.exchange(f"{two}\r\nConnection: close\r\n\r\n".encode())
    assert api.get("/v1/orders", key=OTHER_KEY).status_code == 200
    assert api.get("/healthz", key=None).json() == {"status": "ok"}
    assert api.get("/readyz", key=None).json()["ready"]


def test_wrong_keys_are_counted_logged_by_address_and_never_shown(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    with running(tmp_path, redis_server.url, KEY) as api:
        for key in ("guess-1", "guess-2", None):
            problem(api.get("/v1/orders", key=key), 401, "unauthorized")
        assert api.get("/v1/orders").status_code == 200
        assert 'willcall_rejected_keys_total{where="api"} 2.0' in api.get("/metrics").text
        rejected = [line for line in api.log.splitlines() if "key rejected" in line]
        assert len(rejected) == 2
        assert all('"client": "127.0.0.1"' in line for line in rejected)
        assert "guess" not in api.log


def test_without_keys_this_machine_is_served_but_no_web_page(keyless: Running) -> None:
    assert keyless.get("/v1/orders", key=None).status_code == 200
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "[::1"}):
        problem(keyless.get("/v1/orders", key=None, headers=headers), 403, "forbidden")
    own = {"Origin": keyless.url}
    assert keyless.post("/v1/accounts/tiqets/default/resume", key=None, headers=own).status_code == 200


def test_without_keys_it_does_not_listen_beyond_this_machine(tmp_path: Path) -> None:
    assert [loopback_only(host) for host in ("127.0.0.1", "localhost", "::1")] == [True, True, True]
    assert [loopback_only(host) for host in ("0.0.0.0", "::", "", "192.0.2.1")] == [False] * 4  # noqa: S104
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-P", "-m", "willcall.cli", "api", "--host", "0.0.0.0", "--port", str(free_port())],  # noqa: S104
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "api.keys: is empty" in ended.stderr


def test_while_redis_is_unreachable_callers_are_asked_to_retry_and_nothing_is_stored_partly(
    keyless: Running, own_redis: EmbeddedRedis
) -> None:
    order = {"id": "ord-1", "provider": "tiqets", "reference": "1111111"}
    own_redis.kill()
    try:
        calls = [
            ("POST", "/v1/orders", order),
            ("POST", "/v1/orders:batch", {"orders": [order]}),
            ("GET", "/v1/orders/ord-1", None),
            ("GET", "/v1/orders", None),
            ("GET", "/v1/events", None),
            ("GET", "/v1/accounts", None),
            ("POST", "/v1/orders/ord-1/cancel", None),
            ("POST", "/v1/accounts/tiqets/default/pause", None),
            ("GET", "/metrics", None),
        ]
        for method, path, body in calls:
            answer = keyless.call(method, path, key=None, json=body)
            problem(answer, 503, "unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        wait_until(lambda: keyless.get("/readyz", key=None).status_code == 503)
        ready = keyless.get("/readyz", key=None)
        parts = problem(ready, 503, "unavailable")["parts"]
        assert {name: part["ok"] for name, part in parts.items()} == {"redis": False, "broker": False}
        assert keyless.get("/healthz", key=None).status_code == 200
    finally:
        own_redis.start()
    problem(keyless.get("/v1/orders/ord-1"), 404, "not-found")
    assert keyless.submit().status_code == 201
    wait_until(lambda: keyless.get("/readyz").status_code == 200)


@pytest.mark.proof
def test_a_redis_that_hangs_does_not_block_callers_for_long(keyless: Running, own_redis: EmbeddedRedis) -> None:
    os.kill(own_redis.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: keyless.get("/readyz", key=None).status_code == 503)  # the last answer holds for a moment
        assert problem(keyless.get("/readyz", key=None), 503, "unavailable")["parts"]["redis"]["ok"] is False
        problem(keyless.get("/v1/orders/ord-1", key=None), 503, "unavailable")
        assert keyless.get("/healthz", key=None).status_code == 200
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)
    assert keyless.get("/v1/orders").status_code == 200


def test_the_server_finishes_open_requests_before_it_stops(
    redis_server: EmbeddedRedis,
    tmp_path: Path,
    redis: object,  # noqa: ARG001 - empties it
) -> None:
    with running(tmp_path, redis_server.url, KEY) as api:
        body = b'{"id": "ord-1", "provider": "tiqets", "reference": "1"}'
        head = (
            f"POST /v1/orders HTTP/1.1\r\nHost: willcall\r\nAuthorization: Bearer {KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        )
        port = int(api.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(head.encode())
            assert connection.recv(1_000).startswith(b"HTTP/1.1 100 "), "it waits for the body"
            api.process.terminate()
            wait_until(lambda: not listens(port))
            connection.sendall(body)
            assert connection.recv(1_000).startswith(b"HTTP/1.1 201 ")
        assert api.process.wait(60) is not None
        assert "Traceback" not in api.log


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60):
            return True
    except ConnectionRefusedError:
        return False
