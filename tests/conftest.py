"""What all tests share: one Redis server of their own, empty for each test."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.scripted_server import Serve, Server
from willcall.stores.connection import connect
from workers.embedded_redis import EmbeddedRedis

if TYPE_CHECKING:
    from redis import Redis

# On a laptop hypothesis looks for something new each time; CI says the same of the same commit.
settings.register_profile("willcall", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("willcall")


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
