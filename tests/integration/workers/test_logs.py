"""A real worker logs messages and failures without their contents."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from tests.waiting import wait_until
from willcall.devtools.forked_processes import FORKED
from willcall.devtools.local_deployment import LocalDeployment
from willcall.simulator.script import OrderScript, Script
from willcall.stores.dead_letters import DeadLetterReason
from willcall.stores.keys import CLAIMS
from willcall.usecases.submit import submit
from workers.transport.encoding import REDELIVERED
from workers.validation import DELIVERY_COUNT, MAX_DELIVERIES, MAX_REDELIVERED

SECRET = "Vdm94-QmBxG-9WhAj"

Line = dict[str, Any]


class Log:
    """The lines of a worker, and its deployment."""

    def __init__(self, deployment: LocalDeployment) -> None:
        self.deployment = deployment

    def text(self) -> str:
        return (self.deployment.folder / "worker.log").read_text()

    def lines(self, **fields: object) -> list[Line]:
        """The lines with these fields, in full."""
        lines = [json.loads(line) for line in self.text().splitlines() if line.endswith("}")]
        return [line for line in lines if fields.items() <= line.items()]

    def next(self, beginning: str) -> Line:
        """Wait for the line whose event starts like this."""
        wait_until(lambda: self._found(beginning))
        [line] = self._found(beginning)
        return line

    def send(self, body: object, **options: Any) -> None:
        """Publish any message to the queue of submissions."""
        with self.deployment.app.producer_or_acquire() as producer:
            producer.publish(body, exchange="", routing_key="willcall", **options)

    def _found(self, beginning: str) -> list[Line]:
        return [line for line in self.lines() if line["event"].startswith(beginning)]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """A worker with one account, and no orders yet."""
    polling = {"polling": {"initial": 300, "cap": 300, "minimum": 0.2}}
    with LocalDeployment(
        tmp_path_factory.mktemp("deployment"), Script(), {"tiqets/default": polling}, **FORKED
    ) as deployment:
        deployment.start("worker", "--concurrency", "2")
        deployment.wait_for_workers(1)
        log = Log(deployment)
        yield log
        assert SECRET not in log.text()


@pytest.mark.parametrize(
    ("body", "options", "why"),
    [
        (
            [[], {"reference": SECRET}, {}],
            {"headers": {"task": "tasks.unknown", "id": "1"}},
            DeadLetterReason.UNKNOWN_TASK,
        ),
        (
            [[], {"reference": SECRET}, {}],
            {"headers": {"task": "celery.map", "id": "1"}},
            DeadLetterReason.UNKNOWN_TASK,
        ),
        (
            [[], {"reference": SECRET}, {}],
            {"headers": {"task": "tasks.submit", "id": "1", REDELIVERED: MAX_REDELIVERED + 1}},
            DeadLetterReason.UNFINISHED,
        ),
        (
            [[], {"reference": SECRET}, {}],
            {"headers": {"task": "tasks.submit", "id": "1", DELIVERY_COUNT: MAX_DELIVERIES + 1}},
            DeadLetterReason.UNFINISHED,
        ),
        ({"reference": SECRET}, {}, DeadLetterReason.MALFORMED),
        ({"task": "tasks.submit", "id": "1", "args": SECRET, "kwargs": SECRET}, {}, DeadLetterReason.MALFORMED),
        ([[], {}], {"headers": {"task": "tasks.submit", "id": "1"}}, DeadLetterReason.MALFORMED),
        ([[], {}, {}], {"headers": {"task": ["tasks.submit"], "id": "1"}}, DeadLetterReason.MALFORMED),
        ([[], {}, {}], {"headers": {"task": "tasks.submit"}}, DeadLetterReason.MALFORMED),
        ([[], {}, {}], {"headers": {"task": "tasks.submit", "id": "1", "timelimit": 5}}, DeadLetterReason.MALFORMED),
        ([[], {}, {}], {"headers": {"task": "tasks.submit", "id": "1", "eta": "soon"}}, DeadLetterReason.MALFORMED),
        ([[], {}, {}], {"headers": {"task": "tasks.notify", "id": "1", "expires": 5}}, DeadLetterReason.MALFORMED),
        (
            SECRET.encode(),
            {"content_type": "application/x-python-serialize", "content_encoding": "binary"},
            DeadLetterReason.CONTENT_TYPE,
        ),
        (
            SECRET.encode(),
            {"content_type": "application/json", "content_encoding": "utf-8"},
            DeadLetterReason.UNREADABLE,
        ),
    ],
)
def test_a_message_that_no_task_can_process_becomes_one_dead_letter(
    log: Log, body: object, options: dict[str, Any], why: DeadLetterReason
) -> None:
    letters, before = log.deployment.context.stores.dead_letters, len(log.lines(event="dead letter"))
    letters.clear()
    counted = letters.counts()[why]
    log.send(body, **options)
    wait_until(lambda: len(log.lines(event="dead letter")) > before)
    [letter] = letters.newest()
    assert (letter.queue, letter.reason, letter.is_complete) == ("willcall", why, True)
    assert letters.counts()[why] == counted + 1
    assert log.lines(event="dead letter")[before:][0].items() >= {"queue": "willcall", "why": why.text}.items()
    with Redis.from_url(log.deployment.redis.url) as redis:
        wait_until(lambda: redis.hlen(CLAIMS) == 0)
        assert redis.llen("willcall") == 0


def test_bytes_that_are_no_message_are_stored_unchanged(log: Log) -> None:
    letters = log.deployment.context.stores.dead_letters
    letters.clear()
    with Redis.from_url(log.deployment.redis.url) as redis:
        redis.lpush("willcall", b"\xff" + SECRET.encode())
        redis.lpush("willcall", "x" * 2_000_000)
        wait_until(lambda: letters.count() == 2)
    large, odd = letters.newest()
    assert (odd.reason, odd.raw, odd.is_complete) == (DeadLetterReason.UNREADABLE, b"\xff" + SECRET.encode(), True)
    assert (large.reason, large.size, large.is_complete) == (DeadLetterReason.TOO_LARGE, 2_000_000, False)


def test_a_failed_task_logs_its_stack_without_values(log: Log) -> None:
    log.deployment.app.send_task(
        "tasks.notify", ["ord-7", "evt_7"], {SECRET: SECRET}, queue="willcall", task_id="seven"
    )
    line = log.next("Task tasks.notify[seven] raised unexpected: …")
    assert line["exception"].endswith("\nTypeError")
    assert "trace.py" in line["exception"]
    assert (line["task"], line["order"], line["event_id"]) == ("tasks.notify", "ord-7", "evt_7")


def test_a_rejected_submission_logs_the_reason(log: Log) -> None:
    payload = {"id": "bad", "provider": "tiqets", "reference": SECRET, "quantity": SECRET}
    log.deployment.app.send_task("tasks.submit", kwargs=payload, queue="willcall")
    wait_until(lambda: log.lines(order="bad"))
    [line] = log.lines(order="bad")
    assert line["exception"].endswith("RejectedOrderError: quantity: must be a whole number")


def test_every_line_of_an_attempt_names_it(log: Log) -> None:
    log.deployment.providers.add_orders([OrderScript(provider="tiqets", reference="1000001")])
    submit(log.deployment.context, {"id": "ord-1", "provider": "tiqets", "reference": "1000001"})
    wait_until(lambda: log.lines(event="order", order="ord-1"))
    [line] = log.lines(event="order", order="ord-1")
    expected = {
        "task": "tasks.poll",
        "provider": "tiqets",
        "account": "tiqets/default",
        "attempt": 1,
        "seq": 1,
        "status": "fulfilled",
        "level": "info",
        "logger": "willcall.usecases.commit",
    }
    assert expected.items() <= line.items()
    assert line["timestamp"].startswith(time.strftime("%Y-%m-%dT", time.gmtime()))
