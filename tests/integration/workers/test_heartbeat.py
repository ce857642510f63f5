"""A worker's heartbeat before its loop runs."""

from typing import Any

import pytest
from celery import bootsteps
from celery.contrib.testing.worker import start_worker

from tests.waiting import wait_until
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.runtime.heartbeat import HeartbeatSender
from willcall.stores.registry import Stores
from workers.bootsteps import HeartbeatStep, send_heartbeats
from workers.broker import celery_app


@pytest.mark.usefixtures("redis")
def test_heartbeats_start_with_the_loop_and_not_while_a_step_waits_for_the_broker(
    redis_server: EmbeddedRedis,
) -> None:
    """A later step declares RabbitMQ's delayed delivery, and sleeps between its tries."""
    app = celery_app(redis_server.url, ["celery"])
    before = []

    class Later(bootsteps.StartStopStep):
        requires = (HeartbeatStep,)

        def start(self, consumer: Any) -> None:
            before.append(consumer.app.heartbeat.suspended)

    with HeartbeatSender(Stores.connect(redis_server.url).processes, "worker") as heartbeat:
        send_heartbeats(app, heartbeat)
        app.steps["consumer"].add(Later)
        with start_worker(app, perform_ping_check=False, loglevel=30):
            wait_until(lambda: not heartbeat.suspended)
        assert heartbeat.suspended
    assert before == [True]
