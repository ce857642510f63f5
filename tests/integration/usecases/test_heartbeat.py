"""Heartbeats: only a loop that turns sends them, and Redis may be unavailable."""

import os
import signal
import time

from structlog.testing import capture_logs

from tests.waiting import wait_until
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.runtime.heartbeat import HeartbeatSender, process_name
from willcall.stores.connection import connect
from willcall.stores.processes import ProcessStore, RunningProcess
from willcall.stores.registry import Stores

EVERY = 0.05


def seen(processes: ProcessStore, kind: str | None = None) -> RunningProcess:
    (process,) = processes.running(kind)
    return process


def test_heartbeats_are_recorded_and_removed_when_the_process_ends(own_server: EmbeddedRedis) -> None:
    processes = Stores.connect(own_server.url).processes
    with HeartbeatSender(processes, "api", every=EVERY) as heartbeat:
        heartbeat.beat()
        wait_until(processes.running)
        first = seen(processes)
        assert (first.kind, first.name) == ("api", process_name())

        def again() -> bool:
            heartbeat.beat()
            return seen(processes).last_seen > first.last_seen

        wait_until(again)
        assert seen(processes).since == first.since
    wait_until(lambda: processes.running(within=60) == [])  # it waits for that two seconds at most


def test_a_blocked_loop_sends_no_heartbeat_but_a_suspended_one_does(own_server: EmbeddedRedis) -> None:
    processes = Stores.connect(own_server.url).processes
    with (
        HeartbeatSender(processes, "worker", every=EVERY) as stuck,
        HeartbeatSender(processes, "api", every=EVERY) as turning,
    ):
        stuck.beat()
        wait_until(lambda: processes.running("worker"))
        last = seen(processes, "worker")

        def still_turning() -> bool:
            turning.beat()
            return any(process.last_seen > last.last_seen + 5 * EVERY for process in processes.running("api"))

        wait_until(still_turning)
        assert seen(processes, "worker") == last
        stuck.suspended = True
        wait_until(lambda: seen(processes, "worker").last_seen > last.last_seen)
        assert seen(processes, "worker").detail == {"state": "suspended"}


def test_heartbeats_continue_when_redis_is_back(own_server: EmbeddedRedis) -> None:
    processes = Stores.connect(own_server.url, timeout=1).processes
    with HeartbeatSender(processes, "worker", every=EVERY) as heartbeat:
        own_server.kill()
        heartbeat.beat()
        own_server.start()

        def back() -> bool:
            heartbeat.beat()
            return bool(processes.running())

        wait_until(back)


def test_a_heartbeat_never_blocks(own_server: EmbeddedRedis) -> None:
    with HeartbeatSender(Stores.connect(own_server.url, timeout=1).processes, "worker", every=EVERY) as heartbeat:
        os.kill(own_server.pid, signal.SIGSTOP)
        begun = time.monotonic()
        for _ in range(1_000):
            heartbeat.beat()
        assert time.monotonic() - begun < 200, "each would wait for a second or two"
        os.kill(own_server.pid, signal.SIGCONT)


def test_a_process_with_the_name_of_an_earlier_one_has_its_own_start_time(own_server: EmbeddedRedis) -> None:
    processes = Stores.connect(own_server.url).processes
    processes.record_heartbeat("worker", process_name(), {"queues": "celery"})
    before = seen(processes).since
    with HeartbeatSender(processes, "worker", every=EVERY) as heartbeat:
        heartbeat.beat()
        wait_until(lambda: any(process.since > before for process in processes.running()))


def test_an_emptied_redis_is_reported_once(own_server: EmbeddedRedis) -> None:
    redis, processes = connect(own_server.url), Stores.connect(own_server.url).processes
    with capture_logs() as lines, HeartbeatSender(processes, "worker", every=EVERY) as heartbeat:
        heartbeat.beat()
        wait_until(processes.running)
        own_server.stop()
        own_server.start()  # with its data
        before = redis.time()[0]

        def seen_since() -> bool:
            heartbeat.beat()
            return any(process.last_seen > before for process in processes.running())

        wait_until(seen_since)
        assert processes.replaced_at() is None
        redis.flushdb()

        def replaced() -> bool:
            heartbeat.beat()
            return processes.replaced_at() is not None

        wait_until(replaced)
        at = seen(processes).last_seen
        wait_until(lambda: heartbeat.beat() or seen(processes).last_seen > at)
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["state replaced"]
