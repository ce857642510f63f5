"""Connections over the transport, and real workers with a ledger that survives them."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import Celery
from kombu import Connection, Exchange, Queue
from redis import Redis

from tests.waiting import wait_until
from willcall.devtools.embedded_redis import EmbeddedRedis
from workers.transport.redis import install_transport

ROOT = Path(__file__).parents[3]
#: Messages of dead workers are restored within two seconds.
QUICK = {"visibility_timeout": 1, "unacked_restore_interval": 0.5, "socket_timeout": 60, "socket_connect_timeout": 60}

Connect = Callable[..., Connection]


@pytest.fixture(autouse=True)
def installed() -> None:
    install_transport()


@pytest.fixture
def connect(redis_server: EmbeddedRedis, redis: Redis) -> Iterator[Connect]:  # noqa: ARG001 - it is empty
    """Makes connections to the empty test server; options by name."""
    with ExitStack() as stack:

        def make(url: str = redis_server.url, **options: Any) -> Connection:
            return stack.enter_context(Connection(url, transport_options=options))

        yield make


@pytest.fixture
def connection(connect: Connect) -> Connection:
    return connect()


@pytest.fixture
def queue(connection: Connection) -> Queue:
    """A declared queue named `polls`."""
    queue = Queue("polls", Exchange("polls"), routing_key="polls", channel=connection.default_channel)
    queue.declare()
    return queue


@pytest.fixture
def make_due(redis_server: EmbeddedRedis) -> Callable[..., None]:
    """Makes delayed messages due earlier, instead of waiting for them."""

    def bring_forward(by: timedelta, key: str = "willcall:broker:delayed:polls") -> None:
        with Redis.from_url(redis_server.url) as client:
            for member in client.zrange(key, 0, -1):
                client.zincrby(key, -by.total_seconds() * 1000, member)

    return bring_forward


class Workers:
    """Real workers over one server. Their tasks write to a file, the ledger."""

    def __init__(self, server: EmbeddedRedis, folder: Path, **options: Any) -> None:
        self._ledger = folder / "ledger"
        self._log = folder / "worker.log"
        self.gate = folder / "gate"
        self._environment = {
            **os.environ,
            "BROKER": server.url,
            "LEDGER": str(self._ledger),
            "OPTIONS": json.dumps(QUICK | options),
        }
        self._started: list[psutil.Popen] = []
        #: Sends through the same transport.
        self.app = Celery("sender", broker=server.url, set_as_current=False)

    def start(self, pool: str = "threads", concurrency: int = 4) -> psutil.Popen:
        """Start a worker and wait until it is ready."""
        ready = self.log().count(" ready.")
        command = [sys.executable, "-m", "celery", "-A", "tests.integration.transport.app", "worker", "--loglevel=INFO"]
        options = [f"--pool={pool}", f"--concurrency={concurrency}", "--without-gossip", "--without-mingle"]
        with self._log.open("a") as log:
            worker = psutil.Popen([*command, *options], cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        self._started.append(worker)
        wait_until(lambda: self.log().count(" ready.") > ready)
        return worker

    def log(self) -> str:
        """What all workers have logged."""
        return self._log.read_text() if self._log.exists() else ""

    def kill(self, worker: psutil.Popen) -> None:
        """End a worker and its children as a crash would."""
        for process in [*worker.children(recursive=True), worker]:
            process.kill()
        worker.wait()

    def stop(self) -> None:
        """Kill all workers that still run."""
        for worker in self._started:
            if worker.is_running():
                self.kill(worker)
        self.app.close()

    def ledger(self, word: str) -> list[list[str]]:
        """The lines that begin with a word."""
        lines = self._ledger.read_text().splitlines() if self._ledger.exists() else []
        return [line.split()[1:] for line in lines if line.split()[0] == word]


@pytest.fixture
def workers(
    redis_server: EmbeddedRedis,
    redis: Redis,  # noqa: ARG001 - it is empty
    tmp_path: Path,
) -> Iterator[Workers]:
    """Workers over the empty test server."""
    workers = Workers(redis_server, tmp_path)
    yield workers
    workers.stop()
