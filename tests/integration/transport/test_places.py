"""A queue whose worker has no place left is not claimed from; the others are."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Timer
from typing import Any

import pytest
from kombu import Connection, Consumer, Message, Queue
from kombu.asynchronous import Hub
from redis import Redis

from tests.integration.transport.conftest import Connect
from tests.integration.transport.test_waiting import send
from workers.bulkhead import Bulkhead, Share

NAMES = ("one", "two")


@dataclass
class Worker:
    """Consumes from two queues as far as it has places, and finishes a message when the test says so."""

    connection: Connection
    queues: dict[str, Queue]
    places: Bulkhead
    received: list[tuple[str, str]] = field(default_factory=list)
    working: dict[str, list[Message]] = field(default_factory=lambda: {name: [] for name in NAMES})

    def take(self, body: str, message: Message) -> None:
        name = message.delivery_info["routing_key"]
        self.received.append((name, body))
        self.working[name].append(message)

    def look(self) -> Counter[str]:
        """One look for messages: how many came from each queue."""
        before = len(self.received)
        self.connection.default_channel.connection.cycle.tick()
        return Counter(name for name, _ in self.received[before:])

    def finish(self, name: str) -> None:
        self.working[name].pop(0).ack()


@pytest.fixture
def worker(connect: Connect, request: pytest.FixtureRequest) -> Iterator[Worker]:
    """One with a place for each queue and two that are for both, unless the test says otherwise."""
    shares, spare = getattr(request, "param", ({name: Share(1) for name in NAMES}, 2))
    connection = connect()
    channel = connection.default_channel
    worker = Worker(connection, {name: Queue(name, channel=channel) for name in NAMES}, Bulkhead(shares, spare))
    for queue in worker.queues.values():
        queue.declare()
    channel.places = worker.places
    with Consumer(channel, list(worker.queues.values()), callbacks=[worker.take]) as consumer:
        consumer.qos(prefetch_count=100)
        yield worker


def fill(worker: Worker, name: str, count: int) -> None:
    for number in range(count):
        send(worker.queues[name], f"{name} {number}")


def test_a_crowd_takes_what_nobody_keeps_and_the_rest_of_it_stays_in_the_broker(worker: Worker, redis: Redis) -> None:
    fill(worker, "one", 10)
    assert worker.look() == {"one": 3}
    assert worker.look() == {}
    assert redis.llen("one") == 7
    fill(worker, "two", 5)
    assert worker.look() == {"two": 1}


def test_queues_share_what_nobody_keeps_in_turns(worker: Worker) -> None:
    fill(worker, "one", 10)
    fill(worker, "two", 10)
    assert worker.look() == {"one": 2, "two": 2}


@pytest.mark.parametrize("worker", [({"one": Share(1, most=2), "two": Share(1)}, 10)], indirect=True)
def test_a_queue_has_no_more_than_its_most(worker: Worker) -> None:
    fill(worker, "one", 5)
    assert worker.look() == {"one": 2}


def test_a_place_that_becomes_free_is_taken_at_the_next_look_without_a_bell(worker: Worker, redis: Redis) -> None:
    fill(worker, "one", 10)
    worker.look()
    redis.delete("willcall:broker:bell:one")
    worker.finish("one")
    assert worker.look() == {"one": 1}
    assert [body for _, body in worker.received] == [f"one {number}" for number in range(4)]


def test_a_thread_that_frees_a_place_wakes_the_event_loop(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.transport.TICK", 3_600)
    hub = Hub()
    worker.connection.register_with_event_loop(hub)
    worker.places.on_free = worker.connection.default_channel.connection.cycle.wake
    fill(worker, "one", 10)
    worker.look()
    late = hub.call_later(60, lambda: worker.received.append(("late", "")))
    Timer(0.1, worker.finish, ["one"]).start()
    loop = hub.create_loop()
    while len(worker.received) < 4:
        next(loop)
    late.cancel()
    assert worker.received[-1] == ("one", "one 3")
    hub.close()


@pytest.mark.parametrize("requeue", [True, False])
def test_a_message_that_is_rejected_leaves_its_place(worker: Worker, requeue: bool) -> None:  # noqa: FBT001
    fill(worker, "one", 10)
    worker.look()
    worker.working["one"].pop(0).reject(requeue=requeue)
    assert worker.look() == {"one": 1}


def test_what_is_more_urgent_comes_first_in_its_own_queue_and_overtakes_no_other(worker: Worker) -> None:
    send(worker.queues["two"], "ordinary", priority=3)
    for number in range(10):
        send(worker.queues["one"], f"ordinary {number}", priority=3)
        send(worker.queues["one"], f"urgent {number}", priority=0)
    worker.look()
    assert sorted(worker.received) == [
        ("one", "urgent 0"),
        ("one", "urgent 1"),
        ("one", "urgent 2"),
        ("two", "ordinary"),
    ]


def test_the_bell_of_a_crowded_queue_wakes_only_those_that_have_a_place(
    worker: Worker, connect: Connect, redis: Redis
) -> None:
    """It rings all the time, for other workers; this one neither turns in circles nor takes it away from them."""
    fill(worker, "one", 10)
    worker.look()
    looks = scripts_run(redis)
    until = time.monotonic() + 1
    while time.monotonic() < until:
        with suppress(TimeoutError):
            worker.connection.drain_events(timeout=0.1)
    assert scripts_run(redis) - looks < 200, "a look each 20 ms"
    other = connect().default_channel
    received: list[str] = []
    queue = Queue("one", channel=other)
    with Consumer(other, [queue], callbacks=[lambda body, _: received.append(body)]) as consumer:
        consumer.qos(prefetch_count=1)
        other.connection.client.drain_events(timeout=60)
    assert received == ["one 3"]


def test_messages_of_a_lost_connection_keep_their_places_until_they_are_done_with(
    worker: Worker, connect: Connect
) -> None:
    fill(worker, "one", 10)
    worker.look()
    worker.connection.default_channel.abandon()
    again = connect().default_channel
    again.places = worker.places
    received: list[Any] = []
    with Consumer(again, [Queue("one", channel=again)], callbacks=[lambda body, _: received.append(body)]) as consumer:
        consumer.qos(prefetch_count=100)
        again.connection.cycle.tick()
        assert received == []
        worker.finish("one")
        again.connection.cycle.tick()
        assert received == ["one 3"]


def scripts_run(redis: Redis) -> int:
    return int(redis.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))
