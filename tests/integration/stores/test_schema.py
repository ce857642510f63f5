"""The schema of the state: written with the first order, checked before anything else is read or written."""

import json
import signal
from unittest.mock import patch

import pytest
from typer.testing import CliRunner, Result

from tests.integration.stores.conftest import StoreHarness
from tests.own_logging import own_logging
from tests.waiting import wait_until
from willcall.cli.main import app
from willcall.config import load
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.runtime import heartbeat
from willcall.runtime.heartbeat import HeartbeatSender
from willcall.stores import keys, schema
from willcall.stores.schema import UnreadableStateError
from workers.startup import refuse_unusable_servers

OWN = {"number": str(schema.NUMBER), "readable_by": str(schema.READABLE_BY)}


def invoke(arguments: list[str]) -> Result:
    with own_logging():
        return CliRunner().invoke(app, arguments)


def newer(number: int, readable_by: int) -> dict[str, str]:
    return {"number": str(number), "readable_by": str(readable_by)}


def test_the_first_order_writes_the_schema(harness: StoreHarness) -> None:
    harness.submit("ord-1")
    assert harness.redis.hgetall(keys.SCHEMA) == OWN
    harness.redis.hset(keys.SCHEMA, mapping=newer(schema.NUMBER + 1, schema.NUMBER))
    harness.submit("ord-2")
    assert harness.redis.hgetall(keys.SCHEMA) == newer(schema.NUMBER + 1, schema.NUMBER)
    harness.stores.schema.open()


def test_a_process_records_its_schema_before_there_are_orders(harness: StoreHarness) -> None:
    harness.stores.schema.check()
    assert not harness.redis.exists(keys.SCHEMA)
    harness.stores.schema.open()
    assert harness.redis.hgetall(keys.SCHEMA) == OWN


def test_the_state_of_the_next_release_is_read_if_that_still_writes_what_we_read(harness: StoreHarness) -> None:
    harness.redis.hset(keys.SCHEMA, mapping=newer(schema.NUMBER + 1, schema.NUMBER))
    harness.stores.schema.open()
    assert harness.redis.hgetall(keys.SCHEMA) == newer(schema.NUMBER + 1, schema.NUMBER)


def test_a_newer_release_raises_the_schema(harness: StoreHarness) -> None:
    harness.redis.hset(keys.SCHEMA, mapping=newer(1, 1))
    with patch.object(schema, "RECORD", {"number": 2, "readable_by": 2}):
        harness.stores.schema.open()
    assert harness.redis.hgetall(keys.SCHEMA) == newer(2, 2)


@pytest.mark.parametrize(
    ("state", "oldest", "says"),
    [
        (newer(schema.NUMBER + 2, schema.NUMBER + 1), schema.OLDEST, "was written by a newer release"),
        (newer(schema.NUMBER, schema.NUMBER), schema.NUMBER + 1, "was written by a release that is too old"),
        ({}, schema.OLDEST, "was written before the first release"),
    ],
)
def test_a_state_that_cannot_be_read_is_refused_and_stays(
    harness: StoreHarness, redis_server: EmbeddedRedis, state: dict[str, str], oldest: int, says: str
) -> None:
    harness.submit("ord-1")
    harness.redis.delete(keys.SCHEMA)
    if state:
        harness.redis.hset(keys.SCHEMA, mapping=state)
    before = {key: harness.redis.dump(key) for key in sorted(harness.redis.scan_iter("*"))}
    config = load({"WILLCALL_REDIS_URL": redis_server.url})
    with patch.object(schema, "OLDEST", oldest):
        for refused in (
            harness.stores.schema.open,
            harness.stores.schema.check,
            lambda: refuse_unusable_servers(config),
        ):
            with pytest.raises(UnreadableStateError, match=says):
                refused()
    assert {key: harness.redis.dump(key) for key in sorted(harness.redis.scan_iter("*"))} == before


@pytest.mark.parametrize("command", [["worker"], ["beat"], ["api"], ["flower"], ["orders"], ["pause", "tiqets"]])
def test_every_command_says_why_it_refuses_a_state(
    harness: StoreHarness, redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("WILLCALL_REDIS_URL", redis_server.url)
    monkeypatch.setenv("WILLCALL_PROVIDERS__TIQETS__DEFAULT__API_KEY", "k")
    harness.redis.hset(keys.SCHEMA, mapping=newer(schema.NUMBER + 2, schema.NUMBER + 1))
    result = invoke(command)
    assert isinstance(result.exception, UnreadableStateError)
    assert harness.redis.keys() == [keys.SCHEMA]


def test_the_doctor_reports_a_state_that_cannot_be_read(
    harness: StoreHarness, redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WILLCALL_REDIS_URL", redis_server.url)
    harness.redis.hset(keys.SCHEMA, mapping=newer(schema.NUMBER + 2, schema.NUMBER + 1))
    result = invoke(["doctor", "--json"])
    assert "was written by a newer release" in json.dumps(json.loads(result.stdout))
    assert result.exit_code == 1


def test_a_process_stops_when_its_redis_is_replaced_by_one_that_it_cannot_read(harness: StoreHarness) -> None:
    with (
        patch.object(heartbeat.os, "kill") as kill,
        HeartbeatSender(harness.stores.processes, "worker", every=0.01) as sender,
    ):
        sender.beat()
        wait_until(lambda: harness.redis.exists(keys.SCHEMA))
        harness.redis.flushdb()
        harness.redis.hset(keys.SCHEMA, mapping=newer(schema.NUMBER + 2, schema.NUMBER + 1))
        wait_until(lambda: sender.beat() or kill.called)
    assert kill.call_args.args[1] == signal.SIGTERM
