"""A running `willcall api` over a real Redis, and callers of it."""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest
import requests

from tests.waiting import wait_until
from willcall.devtools.embedded_redis import EmbeddedRedis, free_port
from willcall.devtools.forked_processes import Forked
from willcall.stores.registry import Stores

if TYPE_CHECKING:
    from redis import Redis

ROOT = Path(__file__).parents[3]
KEY, OTHER_KEY = "sesame-0123456789", "the-key-of-before"
OPERATOR_KEY = "operator-0123456789"
#: Of the clients `shop` and `rival`.
SHOP_KEY, SHOP_KEY_2, RIVAL_KEY = "shop-0123456789ab", "shop-0123456789ac", "rival-0123456789"

CONFIG = """
redis_url = "{redis_url}"
documents_url = "file://{folder}/documents"

[providers.tiqets.default]
base_url = "https://127.0.0.1:9/v2"
api_key = "top-secret-key"

[providers.tixstock.default]
base_url = "https://127.0.0.1:9/v1"
bearer_token = "top-secret-key"

[api]
keys = [{keys}]
"""


@dataclass
class Running:
    """A process of `willcall api`."""

    url: str
    folder: Path
    process: Forked
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, *, key: str | None = KEY, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        headers |= options.pop("headers", {})
        return self.session.request(method, self.url + path, headers=headers, timeout=60, **options)

    def exchange(self, sent: bytes) -> bytes:
        """Send bytes, and return the response until the other side closes the connection."""
        with socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), timeout=60) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            heard = b""
            while part := connection.recv(65_536):
                heard += part
            return heard

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.call("POST", path, json=body, **options)

    def submit(self, order_id: str = "ord-1", **fields: Any) -> requests.Response:
        return self.post("/v1/orders", {"id": order_id, "provider": "tiqets", **reference_of(order_id), **fields})

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


def reference_of(order_id: str) -> dict[str, str]:
    """Return the `reference` of an order, different from those of others."""
    return {"reference": "1111111" if order_id == "ord-1" else str(2_000_000 + crc32(order_id.encode()) % 7_000_000)}


def problem(response: requests.Response, status: int, kind: str) -> dict[str, Any]:
    """The problem that a response is, which must be this one."""
    document: dict[str, Any] = response.json()
    assert (response.status_code, document["status"]) == (status, status), document
    assert response.headers["Content-Type"] == "application/problem+json"
    assert document["type"] == f"urn:willcall:problem:{kind}"
    assert document["request_id"] == response.headers["X-Request-Id"]
    assert document["detail"]
    return document


@contextmanager
def running(
    folder: Path,
    redis_url: str,
    *keys: str,
    host: str = "127.0.0.1",
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Running]:
    """Run the API in a folder until the block ends; `environment` over the file."""
    names = ", ".join(f'"{key}"' for key in keys)
    (folder / "willcall.toml").write_text(CONFIG.format(redis_url=redis_url, folder=folder, keys=names))
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WILLCALL_")}
    environment = inherited | environment
    process = Forked(["api", "--host", host, "--port", str(port)], environment, folder, folder / "log")
    api = Running(f"http://127.0.0.1:{port}", folder, process)
    try:
        _wait_for(api)
        yield api
    finally:
        api.session.close()
        process.terminate()
        process.wait()


def _wait_for(api: Running) -> None:
    def answers() -> bool:
        try:
            return api.get("/healthz").status_code == 200
        except requests.ConnectionError:
            assert api.process.poll() is None, api.log
            return False

    wait_until(answers)


@pytest.fixture(scope="package")
def server(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One API for all tests, with keys for backends, two clients and an operator."""
    environment = {
        "WILLCALL_API__OPERATOR_KEYS": json.dumps([OPERATOR_KEY]),
        "WILLCALL_API__CLIENTS__SHOP__KEYS": json.dumps([SHOP_KEY, SHOP_KEY_2]),
        "WILLCALL_API__CLIENTS__SHOP__ACCOUNTS": '["tiqets/*"]',
        "WILLCALL_API__CLIENTS__RIVAL__KEYS": json.dumps([RIVAL_KEY]),
    }
    with running(tmp_path_factory.mktemp("api"), redis_server.url, OTHER_KEY, KEY, environment=environment) as api:
        yield api


@pytest.fixture
def api(server: Running, redis: "Redis") -> Running:  # noqa: ARG001 - empties it
    """The API over an empty Redis."""
    return server


@pytest.fixture
def stores(redis_server: EmbeddedRedis) -> Stores:
    """What is behind the API."""
    return Stores.connect(redis_server.url)
