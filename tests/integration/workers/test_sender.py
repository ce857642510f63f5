"""Poll messages, which are sent as Celery would send them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from kombu import Queue
from structlog.testing import capture_logs

from tests.waiting import wait_until
from willcall.config import load
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.stores.messages import PollMessage
from workers.app import create_app
from workers.sender import poll_options
from workers.transport.delayed import delayed_stats

if TYPE_CHECKING:
    from redis import Redis

QUEUE = "willcall.poll.tiqets"


@pytest.fixture
def app(redis_server: EmbeddedRedis, redis: "Redis") -> Iterator[Celery]:  # noqa: ARG001 - it is empty
    app = application(redis_server)
    yield app
    app.close()


def application(server: EmbeddedRedis) -> Celery:
    return create_app(load({"WILLCALL_REDIS_URL": server.url, "WILLCALL_PROVIDERS__TIQETS__DEFAULT__API_KEY": "key"}))


def due_now(count: int) -> list[PollMessage]:
    return [PollMessage(f"ord-{number}", 3, due=1_000.0) for number in range(count)]


def send(app: Celery, messages: list[PollMessage]) -> None:
    app.willcall.sender.send_polls("tiqets/default", messages, 1_000.0)


def received(app: Celery, count: int) -> list[Any]:
    with app.connection_for_read() as connection:
        queue = Queue(QUEUE)(connection.default_channel)
        messages: list[Any] = []
        wait_until(lambda: len(messages) == count or messages.append(queue.get(no_ack=True)))
    return messages


def test_a_poll_message_is_what_celery_sends(app: Celery) -> None:
    for message in due_now(2):
        options = poll_options(message, "tiqets/default", 1_000.0)
        app.send_task("tasks.poll", **options)
    alone = received(app, 2)
    send(app, due_now(2)[:1])
    send(app, due_now(2)[1:])
    send(app, due_now(2))
    for one, other in zip(alone * 2, received(app, 4), strict=True):
        assert one.body == other.body
        assert one.headers == other.headers
        assert (one.content_type, one.content_encoding) == (other.content_type, other.content_encoding)
        for name in ("correlation_id", "priority", "delivery_mode", "delivery_info"):
            assert one.properties[name] == other.properties[name]


def test_a_batch_is_delayed_like_single_messages(app: Celery, redis: "Redis") -> None:
    send(app, [PollMessage(f"ord-{number}", 1, due=1_000.0 + 60 * number) for number in range(3)])
    found = delayed_stats(redis, [QUEUE])[QUEUE]
    assert found.count == 2
    assert received(app, 1)[0].headers["id"] == "ord-0:1"


def test_a_batch_is_sent_after_the_connection_was_lost(app: Celery, redis: "Redis") -> None:
    send(app, due_now(3))
    received(app, 3)
    redis.client_kill_filter(_type="normal", skipme=True)
    send(app, due_now(3))
    assert [message.headers["id"] for message in received(app, 3)] == ["ord-0:3", "ord-1:3", "ord-2:3"]


@pytest.mark.proof
def test_an_unreachable_broker_is_logged(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    app = application(server)
    with capture_logs() as log:
        send(app, due_now(2))
    app.close()
    assert [(line["event"], line["messages"]) for line in log] == [("broker unreachable", 2)]


def test_a_sweep_that_somebody_starts_is_what_beat_sends(app: Celery) -> None:
    app.willcall.sender.start_sweep("polls")
    with app.connection_for_read() as connection:
        queue = Queue("willcall.sweeps")(connection.default_channel)
        found: list[Any] = []
        wait_until(lambda: any(found) or found.append(queue.get(no_ack=True)))
    message = next(filter(None, found))
    assert (message.headers["task"], message.payload[0]) == ("schedules.sweep", ["polls"])
