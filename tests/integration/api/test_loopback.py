"""Without keys only loopback requests are served; any key closes all routes."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request

from tests.integration.api.conftest import KEY, OPERATOR_KEY, Running, problem, running
from willcall.api.security import is_from_this_machine
from willcall.devtools.embedded_redis import EmbeddedRedis

PLACES = ["/v1/orders", "/v1/accounts", "/metrics", "/", "/orders", "/login", "/docs", "/openapi.json", "/board/stream"]

#: As proxies and tunnels say where a request came from.
FORWARDING = [
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Forwarded-Prefix",
    "X-Original-Forwarded-For",
    "X-Original-Host",
    "Forwarded",
    "Forwarded-For",
    "X-Real-IP",
    "Via",
    "CF-Connecting-IP",
    "CF-Ray",
    "CDN-Loop",
    "True-Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "Fastly-Client-IP",
    "Fly-Client-IP",
    "X-Envoy-External-Address",
    "X-Azure-ClientIP",
    "X-Amzn-Trace-Id",
    "X-ProxyUser-Ip",
    "WL-Proxy-Client-IP",
    "X-Originating-IP",
    "X-Remote-Addr",
]


@pytest.fixture(scope="module")
def keyless(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("keyless"), redis_server.url) as api:
        yield api


def test_requests_from_this_machine_are_served(keyless: Running) -> None:
    port = keyless.url.rpartition(":")[2]
    for place in PLACES[:-1]:
        for host in ("localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "[::1]"):
            answer = keyless.get(place, key=None, headers={"Host": f"{host}:{port}"}, allow_redirects=False)
            assert answer.status_code == (303 if place == "/login" else 200), (place, host)
    # A key that is not needed does no harm.
    assert keyless.get("/v1/orders", key=KEY).status_code == 200


@pytest.mark.parametrize("header", FORWARDING)
def test_requests_through_a_proxy_are_rejected(keyless: Running, header: str) -> None:
    for value in ("192.0.2.1", "127.0.0.1", ""):
        for place in PLACES:
            answer = keyless.get(place, key=None, headers={"Host": "localhost", header: value})
            assert answer.status_code == 403, place
    pause = keyless.post("/v1/accounts/tiqets/default/pause", key=None, headers={"Host": "localhost", header: "x"})
    problem(pause, 403, "forbidden")
    assert keyless.get("/healthz", key=None, headers={header: "192.0.2.1"}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "localhost@evil.example", "localhost/", "[::1", ""],
)
def test_another_host_name_is_rejected(keyless: Running, host: str) -> None:
    for place in PLACES:
        assert keyless.get(place, key=None, headers={"Host": host}).status_code == 403, place


def test_a_request_without_a_host_is_rejected(keyless: Running) -> None:
    with socket.create_connection(("127.0.0.1", int(keyless.url.rpartition(":")[2])), timeout=60) as connection:
        connection.sendall(b"GET /v1/orders HTTP/1.0\r\n\r\n")
        assert connection.recv(1_000).startswith(b"HTTP/1.1 403 ")


def test_the_address_of_the_caller_decides() -> None:
    def request(client: tuple[str, int] | None) -> Request:
        return Request({"type": "http", "client": client, "headers": [(b"host", b"localhost")]})

    for here in ("127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"):
        assert is_from_this_machine(request((here, 1)))
    for elsewhere in ("192.168.1.2", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "localhost", ""):
        assert not is_from_this_machine(request((elsewhere, 1)))
    assert not is_from_this_machine(request(None))


@pytest.mark.parametrize("kind", ["keys", "operator_keys"])
def test_a_key_of_any_kind_closes_all_routes(redis_server: EmbeddedRedis, tmp_path: Path, kind: str) -> None:
    given = {f"WILLCALL_API__{kind.upper()}": json.dumps([OPERATOR_KEY])}
    with running(tmp_path, redis_server.url, environment=given) as api:
        for place in ("/v1/orders", "/v1/accounts", "/v1/events", "/metrics"):
            problem(api.get(place, key=None, headers={"Host": "localhost"}), 401, "unauthorized")
        problem(api.post("/v1/accounts/tiqets/default/pause", key=None), 401, "unauthorized")
        board = api.get("/", key=None, allow_redirects=False)
        assert board.status_code == (303 if kind == "operator_keys" else 403)
        assert api.get("/metrics", key=OPERATOR_KEY).status_code == 200
        assert api.get("/v1/orders", key=OPERATOR_KEY).status_code == (200 if kind == "keys" else 403)
        assert api.get("/healthz", key=None).status_code == api.get("/readyz", key=None).status_code == 200
        assert api.get("/openapi.json", key=None).status_code == 200
