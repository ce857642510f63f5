"""Heartbeats of real processes: a killed or frozen one sends none, one that waits for its broker does."""

import signal

import pytest

from schedules.sweeps import SWEEPS
from tests.e2e.conftest import Setup
from tests.e2e.rabbitmq import RabbitMQ
from tests.waiting import wait_until
from willcall.stores import keys
from willcall.stores.connection import connect
from willcall.stores.processes import RUNNING_WITHIN, ProcessStore

ACCOUNT: dict[str, dict[str, object]] = {"tiqets/default": {}}


def alive(processes: ProcessStore) -> set[int]:
    """The numbers of the workers that are alive."""
    return {int(process.name.split("-")[1].split("@")[0]) for process in processes.running("worker")}


@pytest.mark.proof
def test_a_killed_or_frozen_worker_is_no_longer_running(deployment: Setup) -> None:
    setting = deployment(ACCOUNT)
    processes, redis = setting.context.stores.processes, connect(setting.redis.url)
    killed, frozen, well = (setting.start("worker", "--concurrency", "1") for _ in range(3))
    wait_until(lambda: alive(processes) == {killed.pid, frozen.pid, well.pid})
    frozen.send_signal(signal.SIGSTOP)
    setting.kill(killed)
    heartbeats = 0
    while heartbeats < 2:  # between two of one worker each of the others would have sent one
        for member, seen in redis.zrange(keys.PROCESSES, 0, -1, withscores=True):
            redis.zadd(keys.PROCESSES, {member: seen - RUNNING_WITHIN * 1_000})
        wait_until(lambda: bool(alive(processes)))
        assert alive(processes) == {well.pid}
        heartbeats += 1
    frozen.send_signal(signal.SIGCONT)
    wait_until(lambda: frozen.pid in alive(processes))


@pytest.mark.proof
def test_a_worker_that_waits_for_rabbitmq_is_running(deployment: Setup, rabbitmq: RabbitMQ) -> None:
    setting = deployment(ACCOUNT, broker_url=rabbitmq.url)
    processes = setting.context.stores.processes
    setting.start("worker")

    def state() -> list[str]:
        return [process.detail["state"] for process in processes.running("worker")]

    wait_until(lambda: state() == ["working"])
    rabbitmq.kill()
    wait_until(lambda: state() == ["suspended"])
    rabbitmq.start()
    wait_until(lambda: state() == ["working"])


@pytest.mark.proof
def test_processes_of_each_kind_are_running_until_they_are_stopped(deployment: Setup) -> None:
    setting = deployment(ACCOUNT)
    processes = setting.context.stores.processes
    children = {
        "worker": setting.start("worker", "--queues", "willcall,willcall.notify"),
        "beat": setting.start("beat"),
        "api": setting.start_api(),
    }
    wait_until(lambda: {process.kind for process in processes.running()} == children.keys())
    wait_until(lambda: all(process.detail["state"] == "working" for process in processes.running()))
    (worker,) = processes.running("worker")
    assert worker.detail["queues"] == "willcall,willcall.notify"
    for child in children.values():
        child.terminate()
    wait_until(lambda: processes.running() == [])


@pytest.mark.proof
def test_beat_runs_every_sweep_when_it_starts(deployment: Setup) -> None:
    setting = deployment(ACCOUNT)
    setting.start("worker", "--queues", "willcall.sweeps")
    setting.start("beat")
    wait_until(lambda: setting.context.stores.sweeps.last_runs().keys() == SWEEPS.keys())
