"""Processes answer a reload with their heartbeats."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from tests.actors import ANNA
from tests.waiting import wait_until
from willcall.config import load
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.runtime.heartbeat import HeartbeatSender
from willcall.runtime.live_config import LiveConfig
from willcall.stores.processes import ConfigurationState, ProcessStore
from willcall.stores.registry import Stores
from willcall.usecases.reload import reload_processes

if TYPE_CHECKING:
    from redis import Redis

FILE = '[providers.tiqets.default]\napi_key = "key"\n'
#: Seconds between two heartbeats.
EVERY = 0.02


class Process:
    """The heartbeats of a process, and its configuration."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "willcall.toml"
        self.file.write_text(FILE)
        self.live = LiveConfig(lambda: load({}, folder))
        self.stuck = Event()

    @contextmanager
    def running(self, processes: ProcessStore, kind: str) -> Iterator["Process"]:
        ended = Event()
        with self.live, HeartbeatSender(processes, kind, every=EVERY, live=self.live) as heartbeat:

            def turn() -> None:
                while not ended.wait(EVERY):
                    if not self.stuck.is_set():
                        heartbeat.beat()

            loop = Thread(target=turn)
            loop.start()
            try:
                wait_until(lambda: any(each.configuration for each in processes.running(kind)))
                yield self
            finally:
                ended.set()
                loop.join()


@pytest.fixture
def stores(redis_server: EmbeddedRedis, redis: "Redis") -> Stores:  # noqa: ARG001 - empties it
    return Stores.connect(redis_server.url)


@pytest.fixture
def running(stores: Stores, tmp_path: Path) -> Iterator[dict[str, Process]]:
    """A process of each kind; each has a file of its own."""
    with ExitStack() as stack:
        found = {}
        for kind in ("worker", "beat", "api"):
            (tmp_path / kind).mkdir()
            found[kind] = stack.enter_context(Process(tmp_path / kind).running(stores.processes, kind))
        yield found


def outcomes(stores: Stores, patience: float = 60.0) -> dict[str, str]:
    return {answer.kind: answer.outcome for answer in reload_processes(stores, ANNA, patience)}


def test_every_process_answers_for_its_own_file(stores: Stores, running: dict[str, Process]) -> None:
    assert outcomes(stores) == {"worker": "taken", "beat": "taken", "api": "taken"}
    running["worker"].file.write_text(FILE + "[providers.tiqets.default.rate]\nlimit = 3\n")
    running["beat"].file.write_text(FILE + "limit = 3\n")
    running["api"].file.write_text('redis_url = "redis://elsewhere"\n' + FILE)
    answers = {answer.kind: answer for answer in reload_processes(stores, ANNA, 60.0)}
    assert {kind: answer.outcome for kind, answer in answers.items()} == {
        "worker": "taken",
        "beat": "refused",
        "api": "taken",
    }
    assert answers["beat"].errors[0].startswith("providers.tiqets.default.limit")
    assert answers["api"].restart_for == ("redis_url",)
    digests = {
        process.kind: process.configuration.digest for process in stores.processes.running() if process.configuration
    }
    assert digests["beat"] == digests["api"] != digests["worker"]
    running["beat"].file.write_text(FILE)
    assert outcomes(stores) == {"worker": "taken", "beat": "taken", "api": "taken"}


def test_a_process_whose_loop_is_stuck_gives_no_answer(stores: Stores, running: dict[str, Process]) -> None:
    running["worker"].stuck.set()
    wait_until(lambda: outcomes(stores, patience=0.2)["worker"] == "no_answer")
    running["worker"].stuck.clear()
    assert outcomes(stores) == {"worker": "taken", "beat": "taken", "api": "taken"}


def test_a_process_without_a_configuration_gives_no_answer(stores: Stores) -> None:
    processes = stores.processes
    processes.record_heartbeat("worker", "of an earlier version", {})
    assert outcomes(stores, patience=0.0) == {"worker": "no_answer"}
    processes.record_heartbeat("worker", "of an earlier version", {}, ConfigurationState(0.0, request=1))
    assert outcomes(stores, patience=0.0) == {"worker": "no_answer"}, "to an earlier request"


def test_a_process_that_starts_after_the_request_has_the_configuration(stores: Stores, tmp_path: Path) -> None:
    processes = stores.processes
    request = processes.request_reload("board")
    with Process(tmp_path).running(processes, "worker") as process:
        wait_until(lambda: process.live.state("").request == request)
    assert outcomes(stores) == {}


def test_two_requests_at_once_are_both_answered(stores: Stores, running: dict[str, Process]) -> None:
    found: list[dict[str, str]] = []
    both = [Thread(target=lambda: found.append(outcomes(stores))) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert found == [dict.fromkeys(running, "taken")] * 2


def test_a_request_survives_an_outage_of_redis(own_server: EmbeddedRedis, tmp_path: Path) -> None:
    processes = Stores.connect(own_server.url, timeout=1).processes
    with Process(tmp_path).running(processes, "worker") as process:
        request = processes.request_reload("board")
        own_server.kill()
        own_server.start()
        wait_until(lambda: process.live.state("").request == request)
