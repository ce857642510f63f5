"""A worker claims from a queue only while it has a free slot for it."""

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
from tests.integration.transport.test_delayed_messages import send
from workers.bulkhead import Bulkhead, SlotQuota

NAMES = ("one", "two")


@dataclass
class Worker:
    """Consumes from two queues, and finishes a message when the test says so."""

    connection: Connection
    queues: dict[str, Queue]
    slots: Bulkhead
    received: list[tuple[str, str]] = field(default_factory=list)
    working: dict[str, list[Message]] = field(default_factory=lambda: {name: [] for name in NAMES})

    def take(self, body: str, message: Message) -> None:
        name = message.delivery_info["routing_key"]
        self.received.append((name, body))
        self.working[name].append(message)

    def check(self) -> Counter[str]:
        """Check once; return how many messages came from each queue."""
        before = len(self.received)
        self.connection.default_channel.connection.cycle.check()
        return Counter(name for name, _ in self.received[before:])

    def finish(self, name: str) -> None:
        self.working[name].pop(0).ack()


@pytest.fixture
def worker(connect: Connect, request: pytest.FixtureRequest) -> Iterator[Worker]:
    """One reserved slot for each queue and two shared ones, unless the test says otherwise."""
    quotas, shared = getattr(request, "param", ({name: SlotQuota(1) for name in NAMES}, 2))
    connection = connect()
    channel = connection.default_channel
    worker = Worker(connection, {name: Queue(name, channel=channel) for name in NAMES}, Bulkhead(quotas, shared))
    for queue in worker.queues.values():
        queue.declare()
    channel.slots = worker.slots
    with Consumer(channel, list(worker.queues.values()), callbacks=[worker.take]) as consumer:
        consumer.qos(prefetch_count=100)
        yield worker


def fill(worker: Worker, name: str, count: int) -> None:
    for number in range(count):
        send(worker.queues[name], f"{name} {number}")


def test_a_crowded_queue_uses_the_shared_slots_and_leaves_the_rest_in_the_broker(worker: Worker, redis: Redis) -> None:
    fill(worker, "one", 10)
    assert worker.check() == {"one": 3}
    assert worker.check() == {}
    assert redis.llen("one") == 7
    fill(worker, "two", 5)
    assert worker.check() == {"two": 1}


def test_queues_take_turns_for_shared_slots(worker: Worker) -> None:
    fill(worker, "one", 10)
    fill(worker, "two", 10)
    assert worker.check() == {"one": 2, "two": 2}


@pytest.mark.parametrize("worker", [({"one": SlotQuota(1, limit=2), "two": SlotQuota(1)}, 10)], indirect=True)
def test_a_queue_has_no_more_than_its_limit(worker: Worker) -> None:
    fill(worker, "one", 5)
    assert worker.check() == {"one": 2}


def test_a_slot_that_becomes_free_is_used_at_the_next_check_without_a_wakeup(worker: Worker, redis: Redis) -> None:
    fill(worker, "one", 10)
    worker.check()
    redis.delete("willcall:broker:wakeup:one")
    worker.finish("one")
    assert worker.check() == {"one": 1}
    assert [body for _, body in worker.received] == [f"one {number}" for number in range(4)]


def test_a_thread_that_frees_a_slot_wakes_the_event_loop(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.transport.poller.CHECK_INTERVAL", 3_600)
    hub = Hub()
    worker.connection.register_with_event_loop(hub)
    worker.slots.on_release = worker.connection.default_channel.connection.cycle.wake
    fill(worker, "one", 10)
    worker.check()
    late = hub.call_later(60, lambda: worker.received.append(("late", "")))
    Timer(0.1, worker.finish, ["one"]).start()
    loop = hub.create_loop()
    while len(worker.received) < 4:
        next(loop)
    late.cancel()
    assert worker.received[-1] == ("one", "one 3")
    hub.close()


@pytest.mark.parametrize("requeue", [True, False])
def test_a_rejected_message_frees_its_slot(worker: Worker, requeue: bool) -> None:  # noqa: FBT001
    fill(worker, "one", 10)
    worker.check()
    worker.working["one"].pop(0).reject(requeue=requeue)
    assert worker.check() == {"one": 1}


def test_priority_applies_within_a_queue_and_not_between_queues(worker: Worker) -> None:
    send(worker.queues["two"], "ordinary", priority=3)
    for number in range(10):
        send(worker.queues["one"], f"ordinary {number}", priority=3)
        send(worker.queues["one"], f"urgent {number}", priority=0)
    worker.check()
    assert sorted(worker.received) == [
        ("one", "urgent 0"),
        ("one", "urgent 1"),
        ("one", "urgent 2"),
        ("two", "ordinary"),
    ]


def test_the_wakeup_of_a_crowded_queue_wakes_only_workers_with_a_free_slot(
    worker: Worker, connect: Connect, redis: Redis
) -> None:
    """It is set all the time, for other workers; this one neither spins nor takes it away from them."""
    fill(worker, "one", 10)
    worker.check()
    looks = scripts_run(redis)
    until = time.monotonic() + 1
    while time.monotonic() < until:
        with suppress(TimeoutError):
            worker.connection.drain_events(timeout=0.1)
    assert scripts_run(redis) - looks < 200, "one check every 20 ms"
    other = connect().default_channel
    received: list[str] = []
    queue = Queue("one", channel=other)
    with Consumer(other, [queue], callbacks=[lambda body, _: received.append(body)]) as consumer:
        consumer.qos(prefetch_count=1)
        other.connection.client.drain_events(timeout=60)
    assert received == ["one 3"]


def test_messages_of_a_lost_connection_keep_their_slots_until_they_are_acknowledged(
    worker: Worker, connect: Connect
) -> None:
    fill(worker, "one", 10)
    worker.check()
    worker.connection.default_channel.abandon()
    again = connect().default_channel
    again.slots = worker.slots
    received: list[Any] = []
    with Consumer(again, [Queue("one", channel=again)], callbacks=[lambda body, _: received.append(body)]) as consumer:
        consumer.qos(prefetch_count=100)
        again.connection.cycle.check()
        assert received == []
        worker.finish("one")
        again.connection.cycle.check()
        assert received == ["one 3"]


def scripts_run(redis: Redis) -> int:
    return int(redis.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))
