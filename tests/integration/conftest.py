"""What tests share: a Redis that they may kill, and the `willcall` command as a user runs it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.command import Ended, environment, run
from tests.declared_keys import guarded_scripts
from willcall.devtools.embedded_redis import EmbeddedRedis

if TYPE_CHECKING:
    from redis import Redis

SECRETS = ("top-secret-key", "hunter2")

CONFIG = """
redis_url = "{redis_url}"

[providers.tiqets.default]
base_url = "https://127.0.0.1:9/v2"
api_key = "top-secret-key"

[providers.tixstock.default]
base_url = "https://127.0.0.1:9/v1"
bearer_token = "top-secret-key"
"""


@pytest.fixture(scope="session", autouse=True)
def _guarded_scripts() -> Iterator[None]:
    """Scripts that tests run in their own process use no key but those that they declare, unless they say so."""
    with guarded_scripts():
        yield


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server that a test may kill."""
    server = EmbeddedRedis(tmp_path / "redis")
    server.start()
    yield server
    server.kill()


@dataclass(slots=True)
class Willcall:
    """Runs commands in one folder; kills what a failing test leaves behind."""

    folder: Path
    children: list["subprocess.Popen[str]"] = field(default_factory=list)

    def configure(self, text: str) -> None:
        (self.folder / "willcall.toml").write_text(text)

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        return self.run("-m", "willcall.cli", *arguments, **options)

    def run(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Start Python."""
        child = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-P", *arguments],
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            **options,
        )
        self.children.append(child)
        return child

    def finish(self, child: "subprocess.Popen[str]") -> Ended:
        out, err = child.communicate(timeout=60)
        return self._checked(Ended(child.returncode, out, err))

    def __call__(self, *arguments: str) -> Ended:
        """Run a command to its end, in this process."""
        return self._checked(run(self.folder, *arguments))

    def all(self, *commands: tuple[str, ...]) -> list[Ended]:
        """The commands, one after the other."""
        return [self(*arguments) for arguments in commands]

    def _checked(self, ended: Ended) -> Ended:
        assert "Traceback" not in ended.err
        assert not any(secret in ended.out + ended.err for secret in SECRETS)
        return ended


@pytest.fixture
def unconfigured(tmp_path: Path) -> Iterator[Willcall]:
    """A folder without a configuration."""
    willcall = Willcall(tmp_path)
    yield willcall
    for child in willcall.children:
        for left in _tree(child):
            with suppress(psutil.NoSuchProcess):
                left.kill()
        child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()  # unread: who holds its other end may outlive the test


def _tree(child: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The process, unless it has ended, and all that it has started."""
    if child.poll() is not None:
        return []
    process = psutil.Process(child.pid)
    return [process, *process.children(recursive=True)]


@pytest.fixture
def willcall(unconfigured: Willcall, redis_server: EmbeddedRedis, redis: "Redis") -> Willcall:  # noqa: ARG001 - empties it
    """A folder whose configuration names two accounts and our Redis, which is empty."""
    unconfigured.configure(CONFIG.format(redis_url=redis_server.url))
    return unconfigured
