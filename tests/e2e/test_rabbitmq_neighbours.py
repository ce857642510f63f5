"""Messages of other applications for later, over RabbitMQ; on a server of their own that no test has crashed."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from celery import Celery
from kombu import Connection
from kombu.transport.native_delayed_delivery import MAX_LEVEL, level_name

from tasks.queues import DELAYED, QueueBacklog
from tests.e2e.conftest import Setup, running_rabbitmq, submit_all, wait_for_the_end
from tests.e2e.rabbitmq import RabbitMQ
from tests.e2e.test_rabbitmq import tiqets
from tests.waiting import wait_until
from workers.backlog import BacklogReader

pytestmark = pytest.mark.proof


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with running_rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.mark.parametrize("protocol", [1, 2])
def test_a_delayed_message_of_another_application_waits_in_rabbitmq(
    deployment: Setup, rabbitmq: RabbitMQ, protocol: int
) -> None:
    system = deployment({"tiqets/default": {}}, broker_url=rabbitmq.url)
    system.start("worker")
    system.wait_for_workers(1)
    with (
        closing(BacklogReader(system.app, ["willcall"])) as ask,
        Celery("shop", broker=rabbitmq.url, set_as_current=False) as shop,
    ):
        shop.conf.task_protocol = protocol
        wait_until(lambda: ask().get(DELAYED))
        before = ask()[DELAYED].waiting or 0
        later = {"id": "later", "provider": "tiqets", "reference": "1"}
        shop.send_task("tasks.submit", kwargs=later, queue="willcall", countdown=3_600)
        wait_until(lambda: ask()[DELAYED] == QueueBacklog(0, before + 1))
        expected = submit_all(system, tiqets(1), "soon")
        wait_for_the_end(system, expected)
        ((scheduled),) = system.app.control.inspect(timeout=2).scheduled().values()
        assert scheduled == []
    with Connection(rabbitmq.url) as connection:
        for level in range(MAX_LEVEL + 1):
            connection.default_channel.queue_purge(level_name(level))


def test_a_message_of_another_application_is_delivered_when_it_is_due(deployment: Setup, rabbitmq: RabbitMQ) -> None:
    system = deployment({"tiqets/default": {}}, broker_url=rabbitmq.url)
    system.start("worker")
    system.wait_for_workers(1)
    (order,) = tiqets(1)
    system.providers.add_orders([order])
    with Celery("shop", broker=rabbitmq.url, set_as_current=False) as shop:
        payload = {"id": "soon", "provider": "tiqets", "reference": order.reference}
        shop.send_task("tasks.submit", kwargs=payload, queue="willcall", countdown=4)
    wait_for_the_end(system, {"soon": "fulfilled"})
