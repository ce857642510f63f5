"""`willcall version`: the versions that run here, also without Redis."""

import json
import platform
from importlib.metadata import version

import pytest
from redis import Redis
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


@pytest.mark.parametrize(
    ("says", "shown"),
    [
        ({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.1.2"}, "Valkey 9.1.2"),
        ({"redis_version": "7.4.0", "dragonfly_version": "df-v1.34.0"}, "Dragonfly df-v1.34.0"),
        ({}, None),
    ],
)
def test_version_names_other_servers(
    redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch, says: dict[str, str], shown: str | None
) -> None:
    monkeypatch.setenv("WILLCALL_REDIS_URL", redis_server.url)
    monkeypatch.setattr("redis.Redis.info", lambda _: says)
    result = CliRunner().invoke(app, ["version", "--json"])
    assert (result.exit_code, json.loads(result.stdout)["redis_server"]) == (0, shown)
    assert ("does not say its version" in result.stderr) == (shown is None)


def test_version_works_without_the_right_to_ask(redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    with Redis.from_url(redis_server.url) as redis:
        redis.acl_setuser("narrow", reset=True, enabled=True, passwords=["+word"], commands=["+@all", "-info"])
        monkeypatch.setenv("WILLCALL_REDIS_URL", f"redis://narrow:word@127.0.0.1:{redis_server.port}/0")
        result = CliRunner().invoke(app, ["version", "--json"])
        redis.acl_deluser("narrow")
    assert (result.exit_code, json.loads(result.stdout)["redis_server"]) == (0, None)
    assert "does not say its version" in result.stderr
