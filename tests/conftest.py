"""What all tests share: one Redis server of their own, empty for each test."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadGroupScheduling

from tests.scripted_server import Serve, Server
from tests.waiting import Clock
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.http import connections
from willcall.stores.connection import connect
from willcall.usecases import documents

if TYPE_CHECKING:
    from redis import Redis

# On a laptop hypothesis looks for something new each time; CI says the same of the same commit. `make deep` looks
# twenty times as long.
settings.register_profile(
    "willcall",
    max_examples=50,
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("deep", settings.get_profile("willcall"), max_examples=1_000, derandomize=False)
settings.load_profile("willcall")


#: What the names of tests have in common that share a server or a deployment which is dear to set up.
_TOGETHER = (
    "rabbitmq",
    "tests/browser/",
    "tests/e2e/test_demo.py",
    "tests/e2e/test_flower.py",
    "tests/integration/workers/test_logs.py",
)


class _Scheduling(LoadGroupScheduling):
    """pytest-xdist's own mark for tests that belong together does nothing with pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        return next((place for place in _TOGETHER if place in nodeid), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadGroupScheduling | None:
    """Tests that belong together run in one process, the others in whichever is free."""
    return _Scheduling(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis server that this run started."""
    server = EmbeddedRedis(Path(tmp_path_factory.mktemp("redis")))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Iterator["Redis"]:
    """A client of our own server, which is empty."""
    with connect(redis_server.url) as client:
        client.flushdb()
        yield client


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(script: Callable[[Server, socket.socket], None]) -> Server:
        servers.append(Server(script))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which exchanges over HTTP end."""
    clock = Clock()
    monkeypatch.setattr(connections, "monotonic", clock.monotonic)
    monkeypatch.setattr(documents, "time", clock)
    return clock


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for `localhost`, vouched for by nobody but itself, with its key in the same file."""
    if shutil.which("openssl") is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)("needs openssl to make a certificate")
    made = tmp_path / "certificate.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", made, "-out", tmp_path / "public.pem"]
    subprocess.run(["openssl", "req", *options, *files], check=True, capture_output=True)  # noqa: S603, S607 - fixed words
    made.write_text(made.read_text() + (tmp_path / "public.pem").read_text())
    return made
