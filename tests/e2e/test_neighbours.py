"""A shop's own Celery application and ours on one Redis database: neither notices the other."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from celery import Celery
from redis import Redis

from tests.e2e.conftest import deployments, wait_for_the_end
from tests.waiting import wait_until
from willcall.devtools.embedded_redis import free_port
from willcall.devtools.local_deployment import LocalDeployment
from willcall.simulator.script import OrderScript

ROOT = Path(__file__).parents[2]
#: Messages to each of the two.
CROWD = 200


class Shop:
    """The neighbour: an application of stock Celery, with processes of its own."""

    def __init__(self, broker: str, folder: Path) -> None:
        self.app = Celery("shop", broker=broker, set_as_current=False)
        # In this process `redis://` is ours.
        self.app.conf.update(broker_transport="kombu.transport.redis:Transport", task_ignore_result=True)
        self._ledger, self._log = folder / "shop.ledger", folder / "shop.log"
        self._environment = {**os.environ, "BROKER": broker, "LEDGER": str(self._ledger)}
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            words = [sys.executable, "-m", "celery", "-A", "tests.e2e.stock_app", *command]
            child = subprocess.Popen(words, cwd=ROOT, env=self._environment, stdout=log, stderr=log)  # noqa: S603 - ours
        self.started.append(child)
        return child

    def start_worker(self) -> "subprocess.Popen[bytes]":
        options = ["--pool=threads", "--concurrency=2", "--task-events", f"--hostname=shop-{len(self.started)}@here"]
        child = self.start("worker", *options)
        wait_until(self.names)
        return child

    def names(self) -> set[str]:
        """The workers that answer it."""
        return {name for answer in self.app.control.ping(timeout=1.0) for name in answer}

    def mailed(self) -> list[int]:
        return [int(line) for line in self._ledger.read_text().split()] if self._ledger.exists() else []

    def submit(self, order_id: str, reference: int, **options: object) -> None:
        payload = {"id": order_id, "provider": "tiqets", "reference": str(reference)}
        self.app.send_task("tasks.submit", kwargs=payload, queue="willcall", **options)

    def close(self) -> None:
        for child in self.started:
            child.kill()
            child.wait()
        self.app.close()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    with deployments(tmp_path_factory.mktemp("neighbours")) as deployment:
        system = deployment({"tiqets/default": {}})
        system.start("worker")
        system.wait_for_workers(1)
        yield system


@pytest.fixture
def shop(system: LocalDeployment, tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(system.redis.url, tmp_path)
    try:
        yield shop
    finally:
        shop.close()


def ours(system: LocalDeployment) -> set[str]:
    """The workers that answer us."""
    return {name for answer in system.app.control.ping(timeout=1.0) for name in answer}


@contextmanager
def stopped(system: LocalDeployment) -> Iterator[None]:
    """Our worker takes nothing for the block, as if it was stopped with SIGSTOP."""
    (child,) = system._processes  # noqa: SLF001 - the only worker
    child.send_signal(19)
    try:
        yield
    finally:
        child.send_signal(18)


@pytest.mark.proof
def test_every_message_arrives_where_it_belongs(system: LocalDeployment, shop: Shop) -> None:
    shop.start_worker()
    references = range(1_000_000, 1_000_000 + CROWD)
    system.providers.add_orders([OrderScript(provider="tiqets", reference=str(each)) for each in references])
    for number, reference in enumerate(references):
        shop.submit(f"crowd-{number}", reference, priority=number % 10)
        shop.app.send_task("shop.mail", (number,), priority=number % 10)
    wait_for_the_end(system, {f"crowd-{number}": "fulfilled" for number in range(CROWD)})
    wait_until(lambda: len(shop.mailed()) >= CROWD)
    assert sorted(shop.mailed()) == list(range(CROWD))


@pytest.mark.proof
def test_neither_application_stops_purges_or_inspects_the_other(system: LocalDeployment, shop: Shop) -> None:
    worker = shop.start_worker()
    mine, theirs = ours(system), shop.names()
    assert (len(mine), len(theirs), mine & theirs) == (1, 1, set())
    assert set(shop.app.control.inspect(timeout=1.0).registered()) == theirs
    assert set(system.app.control.inspect(timeout=1.0).registered()) == mine

    system.app.control.shutdown()
    system.app.control.purge()
    shop.app.control.shutdown()
    shop.app.control.purge()
    assert worker.wait(60) == 0
    assert ours(system) == mine


@pytest.mark.proof
def test_a_purge_removes_no_messages_of_the_other_application(system: LocalDeployment, shop: Shop) -> None:
    system.providers.add_orders([OrderScript(provider="tiqets", reference="3000000")])
    with stopped(system):
        shop.submit("kept", 3_000_000)
        shop.app.send_task("shop.mail", (7,))
        assert shop.app.control.purge() == 1
        shop.app.send_task("shop.mail", (8,))
    wait_for_the_end(system, {"kept": "fulfilled"})
    system.app.control.purge()
    shop.start_worker()
    wait_until(lambda: shop.mailed() == [8])


@pytest.mark.proof
def test_flower_of_the_neighbour_sees_only_its_own_workers_and_tasks(system: LocalDeployment, shop: Shop) -> None:
    shop.start_worker()
    port = free_port()
    shop._environment["FLOWER_UNAUTHENTICATED_API"] = "true"  # noqa: SLF001 - it is for this test alone
    shop.start("flower", f"--port={port}", "--address=127.0.0.1")

    def get(path: str) -> dict[str, Any]:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:
            return {}

    wait_until(lambda: get("/api/workers?refresh=1"))
    system.providers.add_orders([OrderScript(provider="tiqets", reference="4000000")])
    shop.submit("seen-by-none", 4_000_000)
    wait_for_the_end(system, {"seen-by-none": "fulfilled"})

    def seen() -> set[str]:
        """The names of the tasks; one more is run, for the first may be over before Flower listens."""
        shop.app.send_task("shop.mail", (9,))
        return {task["name"] for task in get("/api/tasks").values()}

    wait_until(seen)
    assert seen() == {"shop.mail"}
    assert set(get("/api/workers?refresh=1")) == shop.names()


@pytest.mark.proof
def test_commands_that_change_a_worker_are_refused(system: LocalDeployment) -> None:
    mine = ours(system)
    for command, arguments in {
        "shutdown": {},
        "pool_restart": {"modules": []},
        "pool_shrink": {"n": 1},
        "rate_limit": {"task_name": "tasks.poll", "rate_limit": "1/h"},
        "cancel_consumer": {"queue": "willcall"},
        "add_consumer": {"queue": "celery"},
        "revoke": {"task_id": "seen-by-none:1", "terminate": True},
        "objgraph": {},
        "nonsense": {},
    }.items():
        (answer,) = system.app.control.broadcast(command, arguments, reply=True, timeout=30, limit=1)
        ((name, reply),) = answer.items()
        assert (name in mine, list(reply)) == (True, ["error"]), command
    assert ours(system) == mine
    assert [len(queues) for queues in system.app.control.inspect().active_queues().values()] == [5]
    assert system.app.control.inspect().stats().keys() == mine


@pytest.mark.proof
@pytest.mark.parametrize("protocol", [1, 2])
def test_a_delayed_message_of_the_neighbour_is_held(system: LocalDeployment, shop: Shop, protocol: int) -> None:
    shop.app.conf.task_protocol = protocol
    shop.submit(f"later-{protocol}", 5_000_000 + protocol, countdown=300)
    waiting, claims = "willcall:broker:delayed:willcall", "willcall:broker:claims"
    with Redis.from_url(system.redis.url) as redis:
        # What was brought forward, as below, may still be on its way.
        wait_until(lambda: redis.zcount(waiting, 1, "+inf") == 1)
        wait_until(lambda: redis.hlen(claims) == 0)
        ((member, due),) = redis.zrangebyscore(waiting, 1, "+inf", withscores=True)
        ahead = timedelta(milliseconds=due) + datetime.fromtimestamp(0, UTC) - datetime.now(UTC)
        assert timedelta(seconds=200) < ahead <= timedelta(seconds=300)
        system.providers.add_orders([OrderScript(provider="tiqets", reference=str(5_000_000 + protocol))])
        redis.zadd(waiting, {member: 0})
        wait_for_the_end(system, {f"later-{protocol}": "fulfilled"})


@pytest.mark.proof
def test_every_key_has_the_prefix_of_its_application(system: LocalDeployment) -> None:
    system.app.control.inspect(timeout=1.0).ping()
    with Redis.from_url(system.redis.url, decode_responses=True) as redis:
        shops = (
            "_kombu.binding.celery",
            "_kombu.binding_permanent",
            "_kombu.binding_deadlines",
            "_kombu.binding.willcall",
            "unacked",
        )
        assert [key for key in redis.scan_iter() if not key.startswith(("willcall", *shops))] == []
        # Sending to a queue makes its binding, and leaves it in the tables of who sent.
        assert redis.smembers("_kombu.binding.willcall") <= {"willcall\x06\x16\x06\x16willcall"}
