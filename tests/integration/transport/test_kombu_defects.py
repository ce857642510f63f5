"""Defects of kombu 5.7.0 that the transport fixes. Some tests show the defect with kombu's own transport as well."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import kombu.transport
import pytest
from kombu import Connection, Consumer, Message, Producer, Queue
from redis import Redis
from redis.connection import Connection as RedisConnection
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.integration.transport.conftest import QUICK, ROOT, Connect
from tests.waiting import wait_until
from willcall.devtools.embedded_redis import EmbeddedRedis
from workers.transport.encoding import REDELIVERED
from workers.transport.redis import install_transport

#: Dies between receiving a message and recording it: before anything of kombu's QoS runs.
KILLED_RIGHT_AFTER_RECEIVING = """
import os, signal, sys
from kombu import Connection, Consumer, Queue
from kombu.transport import virtual
from workers.transport.qos import QoS
from workers.transport.redis import install_transport
if sys.argv[2] == "ours":
    install_transport()
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
virtual.QoS.append = die
if sys.argv[2] == "stock":
    import kombu.transport.redis
    kombu.transport.redis.QoS.append = die
with Connection(sys.argv[1]) as connection, Consumer(connection, [Queue("polls")]):
    connection.drain_events(timeout=60)
"""


@pytest.fixture(params=["stock", "ours"])
def transport_name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each of the two transports."""
    if request.param == "stock":
        monkeypatch.setitem(kombu.transport.TRANSPORT_ALIASES, "redis", "kombu.transport.redis:Transport")
        kombu.transport._transport_cache.pop("redis", None)  # noqa: SLF001 - no other way
    yield request.param
    install_transport()


def publish(queue: str, body: Any, connection: Connection) -> None:
    Producer(connection).publish(body, routing_key=queue)


def test_a_message_survives_a_worker_killed_right_after_receiving_it(
    connect: Connect, redis: Redis, redis_server: EmbeddedRedis, transport_name: str
) -> None:
    publish("polls", "precious", connect())
    killed = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", KILLED_RIGHT_AFTER_RECEIVING, redis_server.url, transport_name], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert redis.llen("polls") == 0
    assert redis.hlen("willcall:broker:claims") + redis.hlen("unacked") == (1 if transport_name == "ours" else 0)


def test_messages_of_dead_workers_are_restored_without_an_event_loop(connect: Connect) -> None:
    """As gevent workers do: they drain, two seconds at a time.

    Kombu restores them only if two seconds bring nothing from Redis, and its own BRPOP answers each second.
    """
    connection = connect(**QUICK, unacked_restore_throttle=1)
    publish("polls", "orphan", connection)
    dead = connect(**QUICK)
    assert Queue("polls", channel=dead.default_channel).get() is not None
    received: list[str] = []
    with Consumer(connection, [Queue("polls")], callbacks=[lambda body, _: received.append(body)]):
        for _ in range(60):
            with suppress(TimeoutError):
                connection.drain_events(timeout=2)
            if received:
                break
    assert received == ["orphan"]


def test_a_channel_closes_while_redis_is_unreachable(own_server: EmbeddedRedis) -> None:
    """In kombu, an error of reading from Redis ends `close` before the channel counts as closed."""
    with Connection(own_server.url, transport_options=QUICK) as connection:
        channel = connection.default_channel
        publish("polls", "unacknowledged", connection)
        consumer = Consumer(channel, [Queue("polls")], callbacks=[lambda *_: None])
        consumer.consume()
        connection.drain_events(timeout=60)
        channel.connection.cycle.on_poll_start()
        own_server.kill()
        channel.close()
        assert channel.closed


def test_after_a_lost_connection_running_tasks_are_not_redelivered_and_can_be_acknowledged(
    connect: Connect, redis: Redis
) -> None:
    """Kombu returns them at once, so they run twice at the same time."""
    connection = connect()
    publish("polls", "in hand", connection)
    messages: list[Message] = []
    Consumer(connection, [Queue("polls")], on_message=messages.append, accept=["json"]).consume()
    connection.drain_events(timeout=60)
    connection.collect()
    assert (redis.llen("polls"), redis.hlen("willcall:broker:claims")) == (0, 1)
    messages[0].ack()
    assert redis.hlen("willcall:broker:claims") == redis.zcard("willcall:broker:claims_index") == 0


def test_acknowledging_an_old_delivery_does_not_affect_the_new_one(connect: Connect, redis: Redis) -> None:
    """Kombu has one record per message, not per delivery."""
    slow, other = (Queue("polls", channel=connect(**QUICK).default_channel) for _ in range(2))
    publish("polls", "twice", connect())
    first = slow.get()
    assert first is not None
    slow.channel.queues.restore([first.delivery_tag])
    second = other.get()
    assert second is not None
    assert (second.headers["redelivered"], second.delivery_info["redelivered"]) == (True, True)
    first.ack()
    assert redis.hlen("willcall:broker:claims") == 1
    second.ack()
    assert redis.hlen("willcall:broker:claims") == 0


def test_restoring_is_bounded_and_the_oldest_is_served_first(connect: Connect, redis: Redis) -> None:
    channel = connect(**(QUICK | {"visibility_timeout": 0, "unacked_restore_limit": 2})).default_channel
    queue = Queue("polls", channel=channel)
    for number in range(3):
        publish("polls", number, connect())
        assert queue.get() is not None
    channel.qos.restore_visible()
    assert (redis.llen("polls"), redis.hlen("willcall:broker:claims")) == (2, 1)
    first = queue.get()
    assert first is not None
    assert first.payload == 0


def test_a_repeated_claim_returns_the_messages_of_the_lost_answer(
    own_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis runs the call, but answers later than the socket timeout."""

    def silence(connection: RedisConnection, *_: object, **__: object) -> None:
        connection.disconnect()
        raise RedisTimeoutError

    with Connection(own_server.url, transport_options=QUICK | {"socket_timeout": 60}) as connection:
        queue = Queue("polls", channel=connection.default_channel)
        assert queue.get() is None  # Redis knows the script now
        publish("polls", "precious", connection)
        with monkeypatch.context() as patch:
            patch.setattr(RedisConnection, "read_response", silence)
            with pytest.raises(RedisTimeoutError):
                queue.get()
        with Redis.from_url(own_server.url) as redis:
            wait_until(lambda: redis.hlen("willcall:broker:claims") == 1)
        message = queue.get()
        assert message is not None
        assert message.payload == "precious"
        message.ack()


def test_a_message_counts_every_worker_that_did_not_finish_it_and_returns_once(connect: Connect, redis: Redis) -> None:
    channel = connect(**(QUICK | {"visibility_timeout": -1, "unacked_restore_interval": 0})).default_channel
    queue = Queue("polls", channel=channel)
    publish("polls", "poison", connect())
    counts = []
    for _ in range(3):
        message = queue.get()
        assert message is not None
        counts.append(message.headers.get(REDELIVERED, 0))
        channel.qos.restore_visible()
    for _ in range(3):
        message = queue.get()
        assert message is not None
        counts.append(message.headers.get(REDELIVERED, 0))
        channel.queues.restore([message.delivery_tag])
    assert counts == [0, 1, 2, 3, 3, 3]
    assert redis.llen("polls") == 1
