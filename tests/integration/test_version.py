"""`willcall version`: the versions that run here, also without Redis."""

import json
import platform
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

import willcall
from willcall.cli.main import app
from willcall.devtools.embedded_redis import EmbeddedRedis


def test_version_shows_all_versions(redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WILLCALL_REDIS_URL", redis_server.url)
    shown = json.loads(CliRunner().invoke(app, ["version", "--json"]).stdout)
    assert shown.pop("redis_server").count(".") == 2
    assert shown == {
        "willcall": willcall.__version__,
        "python": platform.python_version(),
        "celery": version("celery"),
        "kombu": version("kombu"),
    }
    assert f"willcall      {willcall.__version__}\n" in CliRunner().invoke(app, ["version"]).stdout


@pytest.mark.parametrize("redis_url", ["redis://127.0.0.1:9/0", "nonsense"])
def test_version_works_without_redis(monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    monkeypatch.setenv("WILLCALL_REDIS_URL", redis_url)
    result = CliRunner().invoke(app, ["version", "--json"])
    assert (result.exit_code, json.loads(result.stdout)["redis_server"]) == (0, None)
    assert "redis" in result.stderr.lower()
    assert "\N{REPLACEMENT CHARACTER}" not in result.stderr
    assert "Redis server  unknown" in CliRunner().invoke(app, ["version"]).stdout
