"""What is different over RabbitMQ; the chain itself is tested over both brokers in `test_chain.py`."""

from contextlib import closing
from datetime import UTC, datetime
from threading import Thread

import pytest
from kombu import Connection, Queue
from kombu.transport.native_delayed_delivery import (
    MAX_LEVEL,
    declare_native_delayed_delivery_exchanges_and_queues,
    level_name,
)

from tasks.queues import DELAYED, QueueBacklog
from tests.e2e.conftest import OFTEN, Setup, orders_of, submit_all, wait_for_the_end
from tests.e2e.rabbitmq import RabbitMQ
from tests.waiting import wait_until
from willcall.simulator.script import OrderScript
from willcall.stores.messages import PollMessage
from workers.backlog import BacklogReader

pytestmark = pytest.mark.proof


def test_a_crash_of_rabbitmq_delays_orders_but_loses_none(deployment: Setup, rabbitmq: RabbitMQ) -> None:
    system = deployment({"tiqets/default": {}}, broker_url=rabbitmq.url)
    with Connection(rabbitmq.url) as connection:  # as if no worker had ever been there
        connection.default_channel.exchange_delete("celery_delayed_27")
    later = datetime.fromtimestamp(system.context.stores.accounts.now() + 2, UTC).isoformat()
    expected = submit_all(system, tiqets(1), "early", not_before=later)
    system.start("beat")
    system.start("worker")
    expected |= submit_all(system, tiqets(40, ready_after=3))
    wait_until(lambda: all(order.attempts for order in orders_of(system, expected)))
    rabbitmq.kill()
    expected |= submit_all(system, tiqets(2), "meanwhile")
    rabbitmq.start()
    back = system.context.stores.accounts.now()
    wait_for_the_end(system, expected)
    wait_until(lambda: all(system.context.stores.sweeps.last_runs()[sweep].at > back for sweep in OFTEN))
    verdict = system.providers.verdict()
    assert verdict["ok"], verdict["faults"]
    log = (system.folder / "worker.log").read_text().splitlines()
    failed = [line for line in log if "raised unexpected" in line]
    assert not failed, "no attempt fails because the next one cannot be sent"


def test_ready_messages_are_counted_for_existing_queues(deployment: Setup, rabbitmq: RabbitMQ) -> None:
    system = deployment({"voordemensen/default": {}}, broker_url=rabbitmq.url)
    with Connection(rabbitmq.url) as connection:
        connection.default_channel.queue_declare("of.this.test", durable=True, auto_delete=False)
        connection.default_channel.queue_purge("of.this.test")
        for _ in range(3):
            connection.Producer().publish({}, routing_key="of.this.test")
        connection.default_channel.queue_delete("celery_delayed_0")  # as if no worker had ever been there
        with closing(BacklogReader(system.app, ["no.such.queue", "of.this.test"])) as ask:
            found = ask()
        connection.default_channel.queue_delete("of.this.test")
    assert found == {"of.this.test": QueueBacklog(ready=3)}


def test_delayed_messages_are_counted_over_all_queues(deployment: Setup, rabbitmq: RabbitMQ) -> None:
    system = deployment({"tiqets/default": {}}, broker_url=rabbitmq.url)
    with Connection(rabbitmq.url) as connection, closing(BacklogReader(system.app, [])) as ask:
        declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
        before = ask()[DELAYED]
        now = system.context.stores.accounts.now()
        messages = [PollMessage(f"ord-{n}", 1, due=now + wait) for n, wait in enumerate((3_600, 3_600, 100_000))]
        system.app.willcall.sender.send_polls("tiqets/default", messages, now)
        wait_until(lambda: ask()[DELAYED] == QueueBacklog(0, (before.waiting or 0) + 3))
        for level in range(MAX_LEVEL + 1):
            connection.default_channel.queue_purge(level_name(level))
        wait_until(lambda: ask() == {DELAYED: QueueBacklog(0, 0)})


def test_worker_events_do_not_wait_for_an_unreachable_server(deployment: Setup, rabbitmq: RabbitMQ) -> None:
    app = deployment({"tiqets/default": {}}, broker_url=rabbitmq.url).app
    with app.connection_for_write() as before, app.events.Dispatcher(before) as dispatcher:
        dispatcher.send("worker-heartbeat")
        rabbitmq.kill()
        send = Thread(target=dispatcher.send, args=["worker-online"], kwargs={"retry": True}, daemon=True)
        send.start()
        send.join(20)
        waits = send.is_alive()
        rabbitmq.start()
        send.join()
    assert not waits, "a worker that is told to stop meanwhile could not end"
    with app.connection_for_write() as after, app.events.Dispatcher(after) as dispatcher_after:
        queue = Queue(exchange=dispatcher_after.exchange, routing_key="worker.#", exclusive=True)(after.default_channel)
        queue.declare()
        dispatcher_after.extend_buffer(dispatcher)
        dispatcher_after.flush()
        message = queue.get(no_ack=True)
    assert message is not None
    assert message.payload["type"] == "worker-online"


def tiqets(count: int, ready_after: float = 0) -> list[OrderScript]:
    first = 1_000_000 + 100 * count
    return [OrderScript(provider="tiqets", reference=str(first + n), ready_after=ready_after) for n in range(count)]
