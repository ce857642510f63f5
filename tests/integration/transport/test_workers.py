"""Crashes of real workers of every pool, and of Redis, lose no delayed message."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from redis import Redis

from tests.integration.transport.conftest import Workers
from tests.waiting import wait_until
from willcall.devtools.embedded_redis import EmbeddedRedis

WAITING = 200
HOUR = timedelta(hours=1)
#: Worker memory that 1,000 waiting tasks may take: noise. Held by a stock worker they take 9 MB.
NOISE = 3_000_000
#: Our workers are of the first kind.
POOLS = ["threads", *(pytest.param(pool, marks=pytest.mark.proof) for pool in ("prefork", "gevent"))]


def send_notes(workers: Workers, count: int, first: float, spread: float) -> None:
    """Tasks due one after another from `first` seconds on."""
    with workers.app.producer_pool.acquire() as producer, producer.batch():
        for number in range(count):
            ahead = first + spread * number / count
            workers.app.send_task("note", (number, time.time() + ahead), countdown=ahead, producer=producer)


def assert_all_noted_once(workers: Workers, count: int) -> None:
    wait_until(lambda: len(workers.ledger("noted")) >= count)
    assert sorted(int(name) for name, _ in workers.ledger("noted")) == list(range(count))


def assert_all_noted_once_and_none_early(workers: Workers, count: int) -> None:
    assert_all_noted_once(workers, count)
    assert min(float(late) for _, late in workers.ledger("noted")) >= 0


@pytest.mark.parametrize("pool", POOLS)
def test_kill_9_of_the_only_worker_loses_nothing(
    workers: Workers, redis: Redis, make_due: Callable[..., None], pool: str
) -> None:
    """With kombu's transport, delayed tasks return after the visibility timeout, and on gevent never."""
    worker = workers.start(pool)
    workers.app.send_task("work", ("in-flight", str(workers.gate)))
    wait_until(lambda: workers.ledger("began"))
    send_notes(workers, WAITING, first=HOUR.total_seconds(), spread=0.5)

    workers.kill(worker)
    assert redis.zcard("willcall:broker:delayed:celery") == WAITING
    workers.gate.touch()
    workers.start(pool)
    wait_until(lambda: workers.ledger("ended") == [["in-flight"]])
    assert workers.ledger("noted") == []
    make_due(HOUR, "willcall:broker:delayed:celery")
    assert_all_noted_once(workers, WAITING)
    assert len(workers.ledger("began")) >= 2  # once more per second that passed before the crash
    wait_until(lambda: redis.hlen("willcall:broker:claims") == redis.zcard("willcall:broker:claims_index") == 0)


@pytest.mark.proof
def test_delayed_tasks_use_no_memory_of_workers(workers: Workers, redis: Redis) -> None:
    worker = workers.start()
    send_notes(workers, 10, first=0, spread=0)
    wait_until(lambda: len(workers.ledger("noted")) == 10)
    before = psutil.Process(worker.pid).memory_info().rss
    send_notes(workers, 1_000, first=3_600, spread=60)
    workers.app.send_task("note", ("last", time.time()))
    wait_until(lambda: len(workers.ledger("noted")) == 11)
    assert redis.zcard("willcall:broker:delayed:celery") == 1_000
    assert psutil.Process(worker.pid).memory_info().rss - before < NOISE


@pytest.mark.proof
@pytest.mark.parametrize("pool", POOLS)
def test_redis_may_crash_while_tasks_are_delayed_and_others_run(
    own_server: EmbeddedRedis, tmp_path: Path, pool: str
) -> None:
    """With kombu's transport, threads and prefork workers die here."""
    workers = Workers(own_server, tmp_path, visibility_timeout=60)
    try:
        workers.start(pool)
        workers.app.send_task("work", ("at-work", str(workers.gate)))
        wait_until(lambda: workers.ledger("began"))
        send_notes(workers, WAITING, first=1, spread=1)
        own_server.kill()
        wait_until(lambda: "refused" in workers.log())
        own_server.start()

        assert_all_noted_once_and_none_early(workers, WAITING)
        assert "Unrecoverable" not in workers.log()
        workers.gate.touch()
        wait_until(lambda: workers.ledger("ended"))
        with Redis.from_url(own_server.url) as redis:
            wait_until(lambda: redis.hlen("willcall:broker:claims") == 0)
        assert len(workers.ledger("began")) == 1
    finally:
        workers.stop()


@pytest.mark.proof
def test_two_workers_share_due_messages(workers: Workers, redis: Redis) -> None:
    for _ in range(2):
        workers.start(concurrency=2)
    assert len(workers.app.control.ping(timeout=60, limit=2)) == 2
    send_notes(workers, WAITING, first=0.5, spread=1)
    assert_all_noted_once_and_none_early(workers, WAITING)
    wait_until(lambda: redis.hlen("willcall:broker:claims") == 0)


def test_a_stopping_worker_returns_messages_that_it_has_not_started(workers: Workers, redis: Redis) -> None:
    worker = workers.start(concurrency=1)
    for name in ("begun", "fetched"):
        workers.app.send_task("work", (name, str(workers.gate)))
    wait_until(lambda: redis.hlen("willcall:broker:claims") == 2)
    worker.terminate()
    wait_until(lambda: "Warm shutdown" in workers.log())
    workers.gate.touch()
    worker.wait(60)
    assert redis.hlen("willcall:broker:claims") == 0
    assert redis.llen("celery") + len(workers.ledger("ended")) == 2
