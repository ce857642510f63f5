"""Check contexts: a configuration over a Redis of the tests' own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.tools import redis_version
from tests.waiting import STALL
from willcall.cli.doctor.context import CheckContext
from willcall.cli.doctor.findings import Finding, Level
from willcall.cli.doctor.runner import CHECKS
from willcall.config import load
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.simulator.account_tables import to_toml

if TYPE_CHECKING:
    from redis import Redis

ACCOUNTS = {
    "tiqets": {"default": {"base_url": "https://127.0.0.1:9/v2", "api_key": "top-secret-key"}},
    "tixstock": {"default": {"base_url": "https://127.0.0.1:9/v1", "bearer_token": "top-secret-key"}},
}

MakeContext = Callable[..., CheckContext]
Serve = Callable[..., EmbeddedRedis]


class Server(EmbeddedRedis):
    """A server with settings of its own."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        super().__init__(folder)
        left_out = {"enable-debug-command", "cluster-port"} if redis_version() < (7, 0) else set()
        self._own = {name: value for name, value in settings.items() if name not in left_out}

    def _settings(self) -> str:
        return super()._settings() + "".join(f"{name} {value}\n" for name, value in self._own.items())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serve]:
    """Starts a Redis server with settings laid over the embedded one's."""
    with ExitStack() as stack:

        def start(**settings: Any) -> EmbeddedRedis:
            own = {name.replace("_", "-"): value for name, value in settings.items()}
            started = Server(tmp_path / f"redis-{len(list(tmp_path.iterdir()))}", own)
            started.start()
            stack.callback(started.kill)
            return started

        yield start


@pytest.fixture
def make_context(
    tmp_path: Path,
    redis_server: EmbeddedRedis,
    redis: "Redis",  # noqa: ARG001 - it is empty
    monkeypatch: pytest.MonkeyPatch,
) -> MakeContext:
    """Creates check contexts: two accounts over the empty test server, unless settings say otherwise.

    Redis may take a minute to answer, and the clocks may be as far apart meanwhile.
    """
    monkeypatch.setattr("willcall.cli.doctor.context.REDIS_TIMEOUT", STALL)
    monkeypatch.setattr("willcall.cli.doctor.checks.redis_server.CLOCKS_APART", STALL)

    def make(**settings: Any) -> CheckContext:
        ours = {
            "redis_url": redis_server.url,
            "documents_url": f"file://{tmp_path}/documents",
            "providers": ACCOUNTS,
        }
        (tmp_path / "willcall.toml").write_text(to_toml(ours | settings))
        return CheckContext(load({}, tmp_path))

    return make


def findings(context: CheckContext, check: str) -> list[Finding]:
    """Run a check; each finding has a fix, unless it is ok or unknown."""
    found = CHECKS[check](context)
    assert found
    assert all((finding.fix is None) == (finding.level in {Level.OK, Level.UNKNOWN}) for finding in found)
    return found


def messages(context: CheckContext, check: str) -> list[tuple[str, str]]:
    """Run a check; return levels and messages."""
    return [(finding.level.value, finding.message) for finding in findings(context, check)]


def ok_message(context: CheckContext, check: str) -> str:
    """Run a check that must pass; return its message."""
    ((level, found),) = messages(context, check)
    assert level == "ok", found
    return found
