"""How `willcall_client.testing` starts and stops the server's command, whichever that is."""

import os
import sys
from pathlib import Path

import pytest

from willcall_client import testing
from willcall_client.testing import ServerStartError, WillcallServer

READY = '{"url": "http://127.0.0.1:9", "key": "k", "webhook_secret": "whsec_", "simulator_url": "http://127.0.0.1:9"}'

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the server runs on POSIX")


def command(folder: Path, *lines: str) -> Path:
    """A command that does this in place of the server."""
    script = folder / "willcall"
    script.write_text("\n".join(["#!/bin/sh", f"cd {folder}", *lines]) + "\n")
    script.chmod(0o755)
    return script


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    lines = ("echo $$ > pid", 'echo "$*" > arguments', "env > environment", f"echo '{READY}'", "cat > /dev/null")
    return command(tmp_path, *lines, "echo stopped > stopped")


def test_a_command_is_started_and_stopped(ready: Path) -> None:
    with WillcallServer(ready, ceiling=5) as server:
        assert (server.url, server.key) == ("http://127.0.0.1:9", "k")
        assert (ready.parent / "arguments").read_text() == "test-server --until-eof --ceiling 5\n"
    assert (ready.parent / "stopped").exists()
    server.stop()


def test_the_command_of_the_environment_is_found(ready: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WILLCALL_API__KEYS", "of another server")
    monkeypatch.setenv("PYTHONPATH", "modules of the backend")
    monkeypatch.setenv("PATH", f"{ready.parent}:{os.environ['PATH']}")
    with WillcallServer():
        pass
    environment = (tmp_path / "environment").read_text()
    assert "WILLCALL" not in environment
    assert "modules of the backend" not in environment
    monkeypatch.setenv("WILLCALL_BIN", str(tmp_path / "no-such"))
    with pytest.raises(ServerStartError, match=r"there is no command '.*no-such': install the server .* WILLCALL_BIN"):
        WillcallServer().start()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("echo \"No such command 'test-server'\" >&2", "exit 2"), "ended with 2: No such command 'test-server'"),
        (("exit 0",), "ended with 0: it printed no reason"),
        (("echo hello", "cat"), "is no Willcall that this client knows"),
        (("echo '{}'", "cat"), "is no Willcall that this client knows"),
    ],
)
def test_a_command_that_does_not_start_is_named_with_its_reason(
    tmp_path: Path, lines: "tuple[str, ...]", message: str
) -> None:
    with pytest.raises(ServerStartError, match=message):
        WillcallServer(command(tmp_path, *lines)).start()


def test_a_file_that_is_no_command_is_named(tmp_path: Path) -> None:
    script = command(tmp_path)
    script.write_bytes(b"\x7fELF")
    with pytest.raises(ServerStartError, match="cannot be started"):
        WillcallServer(script).start()


def test_a_command_that_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "STOP_TIMEOUT", 0.1)
    stubborn = command(tmp_path, "echo $$ > pid", f"echo '{READY}'", "sleep 600 & wait")
    with WillcallServer(stubborn):
        pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_command_that_never_gets_ready_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "START_TIMEOUT", 0.0)
    slow = command(tmp_path, "cat", "echo stopped > stopped")
    with pytest.raises(ServerStartError, match="did not start in time"):
        WillcallServer(slow).start()
    assert (tmp_path / "stopped").exists()
