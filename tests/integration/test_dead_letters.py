"""`willcall dead-letters`, and what the doctor says of them."""

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tests.integration.doctor.conftest import MakeContext, make_context, messages  # noqa: F401 - a fixture
from tests.own_logging import own_logging
from willcall.cli.main import app
from willcall.devtools.embedded_redis import EmbeddedRedis, free_port
from willcall.orders.errors import BrokerUnavailableError
from willcall.stores.dead_letters import KEPT, LONGEST, DeadLetterReason, DeadLetterStore
from workers.transport.encoding import REDELIVERED
from workers.validation import MAX_REDELIVERED

if TYPE_CHECKING:
    from redis import Redis

HEADERS = {"task": "tasks.later", "id": "1"}
ENVELOPE = {
    "body": "W1tdLCB7fSwge31d",
    "content-type": "application/json",
    "content-encoding": "utf-8",
    "headers": HEADERS,
    "properties": {"body_encoding": "base64", "delivery_info": {}, "priority": 3},
}


@pytest.fixture
def letters(redis: "Redis") -> DeadLetterStore:
    return DeadLetterStore(redis)


@pytest.fixture
def willcall(redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    monkeypatch.setenv("WILLCALL_REDIS_URL", redis_server.url)
    with own_logging():
        yield CliRunner()


def test_dead_letters_are_listed_newest_first(letters: DeadLetterStore, willcall: CliRunner) -> None:
    letters.add("willcall", DeadLetterReason.UNREADABLE, b"\xff\x1b")
    letters.add("willcall.notify", DeadLetterReason.TOO_LARGE, b"x" * (LONGEST + 1))
    assert "is longer than 1 MiB" in willcall.invoke(app, ["dead-letters"]).stdout
    large, odd = map(json.loads, willcall.invoke(app, ["dead-letters", "--json"]).stdout.splitlines())
    assert (odd["queue"], odd["reason"], odd["truncated"], odd["raw"]) == ("willcall", "unreadable", False, "\\xff\x1b")
    assert (large["size"], large["truncated"], len(large["raw"])) == (LONGEST + 1, True, LONGEST)


def test_a_requeued_dead_letter_returns_to_its_queue(
    letters: DeadLetterStore, willcall: CliRunner, redis: "Redis"
) -> None:
    counted = ENVELOPE | {"headers": {**HEADERS, REDELIVERED: MAX_REDELIVERED + 1}}
    letters.add("willcall.notify", DeadLetterReason.UNFINISHED, json.dumps(counted).encode())
    [letter] = letters.newest()
    assert willcall.invoke(app, ["dead-letters", "--requeue", letter.id]).exit_code == 0
    assert letters.newest() == []
    message = json.loads(str(redis.rpop("willcall.notify\x06\x163")))
    assert (message["headers"], message["properties"]["delivery_info"]["routing_key"]) == (
        HEADERS,
        "willcall.notify",
    )
    assert json.loads(b64decode(message["body"])) == [[], {}, {}]


def test_a_truncated_or_invalid_message_cannot_be_requeued(letters: DeadLetterStore, willcall: CliRunner) -> None:
    letters.add("willcall", DeadLetterReason.UNREADABLE, b"no message")
    letters.add("willcall", DeadLetterReason.MALFORMED, b"x" * (LONGEST + 1))
    for letter in letters.newest():
        assert willcall.invoke(app, ["dead-letters", "--requeue", letter.id]).exit_code == 1
    assert letters.count() == 2
    assert willcall.invoke(app, ["dead-letters", "--clear"]).stdout == "2 messages deleted.\n"
    assert letters.count() == 0


@pytest.mark.parametrize("letter_id", ["nonsense", "1", "-", "99999999999999999999-0", "1-0"])
def test_an_unknown_dead_letter_is_reported(willcall: CliRunner, letter_id: str) -> None:
    failed = willcall.invoke(app, ["dead-letters", f"--requeue={letter_id}"])
    assert (failed.exit_code, str(failed.exception)) == (1, f"no dead letter has the id {letter_id}")


def test_requeue_and_clear_exclude_each_other(letters: DeadLetterStore, willcall: CliRunner) -> None:
    letters.add("willcall", DeadLetterReason.UNREADABLE, b"x")
    assert willcall.invoke(app, ["dead-letters", "--clear", "--requeue", "1-0"]).exit_code == 2
    assert letters.count() == 1


def test_a_dead_letter_stays_while_the_broker_is_unreachable(
    letters: DeadLetterStore, willcall: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WILLCALL_BROKER_URL", f"redis://127.0.0.1:{free_port()}/0")
    letters.add("willcall", DeadLetterReason.UNKNOWN_TASK, json.dumps(ENVELOPE).encode())
    failed = willcall.invoke(app, ["dead-letters", "--requeue", letters.newest()[0].id])
    assert isinstance(failed.exception, BrokerUnavailableError)
    assert letters.count() == 1


def test_the_newest_dead_letters_are_stored_and_all_are_counted(letters: DeadLetterStore) -> None:
    for number in range(KEPT + 5):
        letters.add("willcall", DeadLetterReason.UNREADABLE, str(number).encode())
    assert letters.count() == KEPT
    assert letters.newest(1)[0].raw == str(KEPT + 4).encode()
    assert letters.counts()["unreadable"] == KEPT + 5


def test_the_doctor_reports_dead_letters(letters: DeadLetterStore, make_context: MakeContext) -> None:  # noqa: F811 - the fixture
    letters.add("willcall", DeadLetterReason.CONTENT_TYPE, b"...")
    ((_, _), (level, what)) = messages(make_context(), "queues")
    assert (level, what.endswith("from willcall: it is not serialized as JSON")) == ("warning", True)
