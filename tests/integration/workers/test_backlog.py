"""The backlog of queues in a real Redis."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from celery import Celery

from tasks.queues import QueueBacklog
from tests.waiting import STALL
from willcall.config import load
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.stores.messages import PollMessage
from workers.app import create_app
from workers.backlog import BacklogReader

if TYPE_CHECKING:
    from redis import Redis


@pytest.fixture
def app(redis_server: EmbeddedRedis, redis: "Redis") -> Iterator[Celery]:  # noqa: ARG001 - it is empty
    app = create_app(load({"WILLCALL_REDIS_URL": redis_server.url}))
    yield app
    app.close()


def found(app: Celery, queues: list[str]) -> dict[str, QueueBacklog]:
    with closing(BacklogReader(app, queues)) as ask:
        return ask()


def test_messages_are_ready_or_delayed_and_the_lag_is_that_of_the_next_one(app: Celery, redis: "Redis") -> None:
    messages = [PollMessage(f"ord-{n}", 1, due=1_000.0 + 600 * n, has_slot=n == 1) for n in range(4)]
    app.willcall.sender.send_polls("tiqets/default", messages, 1_600.0)
    assert found(app, ["willcall.poll.tiqets", "celery"]) == {
        "willcall.poll.tiqets": QueueBacklog(ready=2, waiting=2, lag=0.0),  # of two priorities, which are two lists
        "celery": QueueBacklog(ready=0, waiting=0, lag=0.0),
    }
    overdue = redis.eval(
        "return redis.call('ZADD', KEYS[1], ARGV[1], redis.call('ZRANGE', KEYS[1], 0, 0)[1])",
        1,
        "willcall:broker:delayed:willcall.poll.tiqets",
        (redis.time()[0] - 9_000) * 1_000,
    )
    assert overdue == 0
    assert 8_999 < (found(app, ["willcall.poll.tiqets"])["willcall.poll.tiqets"].lag or 0) < 9_000 + STALL


def test_the_backlog_is_read_again_after_an_outage(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    server.start()
    app = create_app(load({"WILLCALL_REDIS_URL": server.url}))
    empty = {"celery": QueueBacklog(ready=0, waiting=0, lag=0.0)}
    with closing(BacklogReader(app, ["celery"])) as ask:
        assert ask() == empty
        server.kill()
        assert ask() == {}
        server.start()
        assert ask() == ask() == empty
    app.close()
    server.stop()


def test_the_backlog_is_empty_while_the_broker_is_unreachable() -> None:
    app = create_app(load({"WILLCALL_BROKER_URL": "redis://127.0.0.1:1/0"}))
    assert found(app, ["celery"]) == {}
    app.close()
    rabbit = create_app(load({"WILLCALL_BROKER_URL": "amqp://127.0.0.1:1//"}))
    assert found(rabbit, ["celery"]) == {}
    rabbit.close()
