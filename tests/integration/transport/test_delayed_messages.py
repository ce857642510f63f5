"""Messages with a future `eta`: how they are stored, delivered and deleted."""

import json
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kombu import Connection, Consumer, Message, Producer, Queue
from redis import Redis

from tests.integration.transport.conftest import Connect
from tests.waiting import STALL
from willcall.stores.keys import CLAIMS
from workers.transport.delayed import delayed_stats
from workers.transport.encoding import MAX_BYTES, UNREADABLE, compress
from workers.transport.queues import BATCH

HOUR = timedelta(hours=1)


def eta(ahead: timedelta) -> dict[str, str]:
    return {"eta": (datetime.now(UTC) + ahead).isoformat()}


def send(queue: Queue, body: Any, ahead: timedelta | None = None, **options: Any) -> None:
    headers = options.pop("headers", {}) | (eta(ahead) if ahead else {})
    Producer(queue.channel).publish(body, routing_key=queue.name, headers=headers, **options)


def send_batch(queue: Queue, messages: Mapping[Any, timedelta | None]) -> None:
    producer = Producer(queue.channel)
    with producer.batch():
        for body, ahead in messages.items():
            producer.publish(body, routing_key=queue.name, headers=eta(ahead) if ahead else {})


def receive(queue: Queue) -> Any:
    message = queue.get()
    if message is None:
        return None
    message.ack()
    return message.payload


def everything(queue: Queue) -> list[Any]:
    return list(iter(lambda: receive(queue), None))


def test_a_delayed_message_is_in_the_sorted_set_and_not_in_the_list(queue: Queue, redis: Redis) -> None:
    send(queue, "later", HOUR)
    assert redis.zcard("willcall:broker:delayed:polls") == 1
    assert queue.queue_declare(passive=False).message_count == 0
    assert receive(queue) is None


def test_a_message_is_delivered_when_it_is_due_and_not_earlier(queue: Queue, make_due: Any) -> None:
    send(queue, "later", HOUR)
    make_due(HOUR / 2)
    assert receive(queue) is None
    make_due(HOUR / 2)
    assert receive(queue) == "later"
    assert receive(queue) is None


@pytest.mark.parametrize("ahead", [None, -HOUR])
def test_a_message_without_a_future_eta_goes_to_the_list_at_once(
    queue: Queue, redis: Redis, ahead: timedelta | None
) -> None:
    send(queue, "now", ahead)
    assert redis.llen("polls") == 1
    message = queue.get()
    assert message is not None
    assert "eta" not in message.headers
    message.ack()


def test_the_worker_gets_the_header_x_due_instead_of_the_eta(queue: Queue, make_due: Any) -> None:
    headers = {"expires": "2099-01-01T00:00:00+00:00", "id": "one", "eta": (datetime.now(UTC) + HOUR).isoformat()}
    send(queue, "later", headers=dict(headers))
    make_due(HOUR)
    message = queue.get()
    assert message is not None
    assert message.headers == {"expires": headers["expires"], "id": "one", "x-due": headers["eta"]}
    message.ack()


def test_an_unreadable_eta_is_left_to_the_worker(queue: Queue) -> None:
    send(queue, "odd", headers={"eta": "tomorrow"})
    message = queue.get()
    assert message is not None
    assert message.headers["eta"] == "tomorrow"
    message.ack()


def test_a_message_can_be_delayed_by_a_year(queue: Queue, redis: Redis, make_due: Any) -> None:
    send(queue, "far", timedelta(days=365))
    (state,) = delayed_stats(redis, ["polls"]).values()
    assert state.next_due == pytest.approx((datetime.now(UTC) + timedelta(days=365)).timestamp(), abs=STALL)
    make_due(timedelta(days=365))
    assert receive(queue) == "far"


def test_a_large_compressed_message_is_delayed_too(queue: Queue, make_due: Any) -> None:
    body = {"text": "\N{SNOWMAN}" * 50_000}
    send(queue, body, HOUR, serializer="json", compression="gzip")
    make_due(HOUR)
    assert receive(queue) == body


def test_publishing_again_after_a_failure_delays_too(queue: Queue, redis: Redis) -> None:
    headers = eta(HOUR)
    message = queue.channel.prepare_message(json.dumps("x"), headers=headers, properties={"delivery_info": {}})
    for _ in range(2):
        queue.channel.basic_publish(dict(message), exchange="", routing_key="polls")
    assert redis.llen("polls") == 0


def test_the_earliest_is_delivered_first_and_one_call_moves_a_bounded_number(
    queue: Queue, redis: Redis, make_due: Any
) -> None:
    for number in reversed(range(BATCH + 20)):
        send(queue, number, HOUR * (number + 1))
    make_due(HOUR * BATCH * 2)
    assert receive(queue) == 0
    assert redis.llen("polls") == BATCH - 1
    assert redis.zcard("willcall:broker:delayed:polls") == 20
    assert everything(queue) == list(range(1, BATCH + 20))


def test_urgent_messages_are_first_and_due_messages_join_the_end(queue: Queue, make_due: Any) -> None:
    send(queue, "ready, ordinary", priority=3)
    send(queue, "promoted, ordinary", HOUR, priority=3)
    send(queue, "promoted, urgent", HOUR + timedelta(seconds=1), priority=0)
    make_due(2 * HOUR)
    assert everything(queue) == ["promoted, urgent", "ready, ordinary", "promoted, ordinary"]


def test_an_unknown_priority_step_counts_as_the_least_urgent(connect: Connect, make_due: Any) -> None:
    send(Queue("polls", channel=connect().default_channel), "old", HOUR, priority=6)
    make_due(HOUR)
    queue = Queue("polls", channel=connect(priority_steps=[0, 3]).default_channel)
    send(queue, "new", priority=0)
    assert everything(queue) == ["new", "old"]


def test_purge_and_delete_include_delayed_messages(queue: Queue, redis: Redis) -> None:
    for forget in (queue.purge, queue.delete):
        send(queue, "now")
        send(queue, "later", HOUR)
        assert queue.queue_declare(passive=True).message_count == 1
        assert forget() in (2, None)
        assert list(redis.scan_iter("polls*")) == []


def test_every_key_has_the_prefix(connect: Connect, redis: Redis, make_due: Any) -> None:
    queue = Queue("polls", channel=connect(global_keyprefix="mine:").default_channel)
    queue.declare()
    send(queue, "now")
    send(queue, "later", HOUR)
    send_batch(queue, {"now": None, "later": HOUR})
    assert delayed_stats(redis, ["polls"], prefix="mine:")["polls"].count == 2
    make_due(HOUR, "mine:willcall:broker:delayed:polls")
    message = queue.get()
    assert message is not None
    assert [key for key in redis.scan_iter() if not key.startswith("mine:")] == []
    message.reject(requeue=True)
    assert Counter(everything(queue)) == {"now": 2, "later": 2}
    send(queue, "bell")
    with Consumer(queue.channel, [queue], callbacks=[lambda _, message: message.ack()]):
        queue.channel.connection.client.drain_events(timeout=60)
    send(queue, "later", HOUR)
    assert queue.purge() == 1


def test_batches_are_delayed_too(queue: Queue, redis: Redis, make_due: Any) -> None:
    redis.script_flush()
    send_batch(queue, {number: HOUR if number % 2 else None for number in range(200)})
    assert (redis.llen("polls"), redis.zcard("willcall:broker:delayed:polls")) == (100, 100)
    make_due(HOUR)
    assert sorted(everything(queue)) == list(range(200))


def test_concurrent_workers_get_every_message_once(connect: Connect, queue: Queue, redis: Redis, make_due: Any) -> None:
    send_batch(queue, {number: HOUR if number % 2 else None for number in range(1_000)})
    make_due(HOUR)
    queues = [Queue("polls", channel=connect().default_channel) for _ in range(4)]
    with ThreadPoolExecutor(len(queues)) as pool:
        received = [body for bodies in pool.map(everything, queues) for body in bodies]
    assert sorted(received) == list(range(1_000))
    assert redis.hlen("willcall:broker:claims") == redis.zcard("willcall:broker:claims_index") == 0


def test_delayed_messages_are_counted(queue: Queue, redis: Redis, make_due: Any) -> None:
    send(queue, "later", HOUR)
    send(queue, "still later", 2 * HOUR)
    states = delayed_stats(redis, ["polls", "empty"])
    assert (states["empty"].count, states["empty"].next_due, states["empty"].lag) == (0, None, 0)
    assert (states["polls"].count, states["polls"].lag) == (2, 0)
    assert states["polls"].next_due == pytest.approx((datetime.now(UTC) + HOUR).timestamp(), abs=STALL)
    make_due(HOUR * 1.5)
    assert delayed_stats(redis, ["polls"])["polls"].lag == pytest.approx(1_800, abs=STALL)


def test_a_wakeup_wakes_an_idle_consumer(connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.transport.poller.CHECK_INTERVAL", 3_600)
    received: list[str] = []

    def take(body: str, message: Message) -> None:
        received.append(body)
        message.ack()

    with Consumer(queue.channel, [queue], callbacks=[take]) as consumer:
        consumer.qos(prefetch_count=1)
        queue.channel.connection.cycle.check()
        send(queue, "first")
        send(queue, "second")  # one token for both: the first claim leaves it over and rings again
        while len(received) < 2:
            connection.drain_events(timeout=60)
    assert received == ["first", "second"]


def test_queues_take_turns(connect: Connect) -> None:
    channel = connect().default_channel
    queues = [Queue(name, channel=channel) for name in ("one", "two")]
    for queue in queues:
        queue.declare()
        for _ in range(3):
            send(queue, queue.name)
    received: list[str] = []
    with Consumer(channel, queues, callbacks=[lambda body, _: received.append(body)]) as consumer:
        consumer.qos(prefetch_count=4)
        channel.connection.cycle.check()
    assert Counter(received) == {"one": 2, "two": 2}


@pytest.mark.parametrize("way", ["get", "consume"])
def test_a_consumer_without_acknowledgements_leaves_no_claims(
    connection: Connection, queue: Queue, redis: Redis, way: str
) -> None:
    send(queue, "reply")
    if way == "get":
        assert queue.get(no_ack=True) is not None
    else:
        with Consumer(queue.channel, [queue], callbacks=[lambda *_: None], no_ack=True):
            connection.drain_events(timeout=60)
    connection.close()
    assert redis.hlen("willcall:broker:claims") == 0


def test_unreadable_messages_are_delivered_unchanged_and_block_no_other(
    connection: Connection, queue: Queue, redis: Redis
) -> None:
    odd = {"body": "Zm9", "properties": {"body_encoding": "base64", "delivery_tag": "1"}}
    unreadable = [
        "no message",
        "{}",
        "[" * 9_999,
        b"\xff",
        "9" * 5_000,
        json.dumps(odd),
        '{"properties": {}, "body": 1}',
    ]
    redis.lpush("polls", *unreadable)
    send(queue, "fine")
    received: list[Any] = []

    def receive(body: Any, message: Any) -> None:
        received.append((body, message.headers.get(UNREADABLE)))
        message.ack()

    with Consumer(queue.channel, [queue], callbacks=[receive]):
        while len(received) < len(unreadable) + 1:
            connection.drain_events(timeout=60)
    texts = [text.encode() if isinstance(text, str) else text for text in unreadable]
    assert received == [*((text, "unreadable") for text in texts), ("fine", None)]
    queue.channel.qos.flush()
    assert redis.hlen("willcall:broker:claims") == 0


def test_messages_without_acknowledgement_are_forgotten_with_their_consumer(
    connection: Connection, queue: Queue, redis: Redis
) -> None:
    send(queue, "an answer")
    received: list[str] = []
    with Consumer(queue.channel, [queue], no_ack=True, callbacks=[lambda body, _: received.append(body)]):
        connection.drain_events(timeout=60)
    assert (received, redis.hlen(CLAIMS)) == (["an answer"], 0)


def test_too_large_messages_are_not_read(queue: Queue, redis: Redis) -> None:
    redis.lpush("polls", "x" * (MAX_BYTES + 1))
    bomb = compress(b"0" * 50 * MAX_BYTES)
    redis.lpush("polls", bomb)
    found = [queue.get(no_ack=True, accept=["application/octet-stream"]) for _ in range(2)]
    assert [(message.headers[UNREADABLE], len(message.body)) for message in found] == [
        ("too_large", MAX_BYTES + 1),
        ("unreadable", len(bomb)),
    ]
