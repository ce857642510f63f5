"""What all tests share: one Redis server of their own, empty for each test."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests.scripted_server import Serve, Server
from tests.tools import left_out, require_command
from tests.waiting import Clock
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.http import connections
from willcall.stores.connection import connect
from willcall.usecases import downloads

if TYPE_CHECKING:
    from redis import Redis

# A shell has its background jobs ignore SIGINT, and so would the processes that tests stop by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# On a laptop hypothesis looks for something new each time; CI says the same of the same commit. `make proof` looks
# twenty times as long.
settings.register_profile(
    "willcall",
    max_examples=30,
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("proof", settings.get_profile("willcall"), max_examples=600)
settings.load_profile("willcall")

# structlog's own way to print an exception, a page in colours, takes half a second for each.
_FORMATTER = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _FORMATTER])

#: Tests that share processes which are dear to start, by what their names have in common. Each group runs in one
#: process of pytest-xdist, and those groups begin first.
_GROUPS = (
    "tests/browser/",
    "[rabbitmq",
    "tests/e2e/test_rabbitmq",
    "tests/e2e/test_demo.py",
    "tests/e2e/test_flower.py",
    "tests/e2e/test_neighbours.py",
    "tests/integration/workers/test_logs.py",
    "tests/e2e/test_client_testing.py",
    *(f"{shop}]" for shop in ("[fastapi", "[django", "[flask", "[node", "[php", "[ruby")),
)
#: Tests that start processes: they begin before those that only compute, which fill the time that others wait.
_EARLY = (*_GROUPS, "tests/e2e/", "tests/integration/transport/test_workers.py", "tests/integration/test_up.py")


class _Scheduling(LoadScopeScheduling):
    """Gives each free process the next group, or the next test function with all of its cases."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for group in _GROUPS if group in nodeid), nodeid.partition("[")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # the order is that of `_EARLY`
    return _Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((number for number, part in enumerate(_EARLY) if part in item.nodeid), len(_EARLY))

    items.sort(key=place)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Fail a test after which loggers would remember how it set up logging, so that later ones capture nothing."""
    if structlog.get_config()["cache_logger_on_first_use"]:
        structlog.configure(cache_logger_on_first_use=False)
        pytest.fail(f"{item.name} sets up logging outside own_logging()")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out for want of a tool."""
    line = left_out(terminalreporter.getreports("skipped"))
    if line:
        terminalreporter.write_line(f"Left out: {line}", yellow=True)


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
    monkeypatch.setattr(downloads, "time", clock)
    return clock


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for `localhost`, self-signed, with its key in the same file."""
    openssl = require_command("openssl")
    made = tmp_path / "certificate.pem"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]  # an RSA key would take ten times as long
    options = ["-x509", *key, "-nodes", "-subj", "/CN=localhost"]
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", made, "-out", tmp_path / "public.pem"]
    subprocess.run([openssl, "req", *options, *files], check=True, capture_output=True)  # noqa: S603 - fixed words
    made.write_text(made.read_text() + (tmp_path / "public.pem").read_text())
    return made
