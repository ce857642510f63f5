"""Who is served, and what happens while a part is away."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from api.server import loopback_only
from tests.integration.api.conftest import KEY, OTHER_KEY, ROOT, Running, problem, running
from workers.embedded_redis import EmbeddedRedis, free_port

#: Seconds in which a call must be answered while Redis is away, or hangs.
AT_ONCE, BOUNDED = 2.0, 8.0


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
    for method, path in calls:
        for key in (None, "wrong", KEY[:-1], f"{KEY}x"):
            answer = api.call(method, path, key=key)
            problem(answer, 401, "unauthorized")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    problem(api.get("/v1/orders", key=None, headers={"Authorization": f"Basic {KEY}"}), 401, "unauthorized")
    assert api.get("/v1/orders", key=OTHER_KEY).status_code == 200
    assert api.get("/healthz", key=None).json() == {"status": "ok"}
    assert api.get("/readyz", key=None).json()["ready"]


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
        [sys.executable, "-P", "-m", "cli", "api", "--host", "0.0.0.0", "--port", str(free_port())],  # noqa: S104
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "api.keys: is empty" in ended.stderr


def timed(api: Running, method: str, path: str, limit: float, **options: object) -> requests.Response:
    """An answer that must come in time."""
    started = time.monotonic()
    answer = api.call(method, path, key=None, **options)
    assert time.monotonic() - started < limit
    return answer


def test_while_redis_is_away_callers_are_told_to_come_back_and_nothing_is_half_taken(
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
            answer = timed(keyless, method, path, AT_ONCE, json=body)
            problem(answer, 503, "unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        ready = timed(keyless, "GET", "/readyz", 5)
        parts = problem(ready, 503, "unavailable")["parts"]
        assert {name: part["ok"] for name, part in parts.items()} == {"redis": False, "broker": False}
        assert timed(keyless, "GET", "/healthz", AT_ONCE).status_code == 200
    finally:
        own_redis.start()
    problem(keyless.get("/v1/orders/ord-1"), 404, "not-found")
    assert keyless.submit().status_code == 201
    assert keyless.get("/readyz").json()["ready"]


def test_a_redis_that_hangs_holds_nobody_for_long(keyless: Running, own_redis: EmbeddedRedis) -> None:
    os.kill(own_redis.pid, signal.SIGSTOP)
    try:
        assert problem(timed(keyless, "GET", "/readyz", 5), 503, "unavailable")["parts"]["redis"]["ok"] is False
        problem(timed(keyless, "GET", "/v1/orders/ord-1", BOUNDED), 503, "unavailable")
        assert timed(keyless, "GET", "/healthz", AT_ONCE).status_code == 200
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)
    assert keyless.get("/v1/orders").status_code == 200


def test_it_stops_when_told_to_and_finishes_what_is_under_way(
    redis_server: EmbeddedRedis,
    tmp_path: Path,
    redis: object,  # noqa: ARG001 - empties it
) -> None:
    with running(tmp_path, redis_server.url, KEY) as api:
        body = b'{"id": "ord-1", "provider": "tiqets", "reference": "1"}'

        def slowly() -> Iterator[bytes]:
            yield body[:10]
            api.process.terminate()
            time.sleep(0.5)
            yield body[10:]

        answer = api.call("POST", "/v1/orders", data=slowly(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 201
        assert api.process.wait(10) is not None
        assert "Traceback" not in api.log
