"""Heartbeats of processes and the last run of each sweep."""

from typing import TYPE_CHECKING

from tests.integration.stores.conftest import StoreHarness
from willcall.stores import keys
from willcall.stores.processes import FORGOTTEN_AFTER, RUNNING_WITHIN, Heartbeat

if TYPE_CHECKING:
    from redis import Redis

NAME = "willcall-7@box"


def age_heartbeats(redis: "Redis", seconds: float) -> None:
    """The last heartbeats of all processes were so long ago."""
    for member, seen in redis.zrange(keys.PROCESSES, 0, -1, withscores=True):
        redis.zadd(keys.PROCESSES, {member: seen - seconds * 1_000})


def test_a_process_with_a_recent_heartbeat_is_running(harness: StoreHarness) -> None:
    harness.stores.processes.record_heartbeat("worker", NAME, {"queues": "celery,notify"})
    (process,) = harness.stores.processes.running()
    assert (process.kind, process.name, process.detail) == ("worker", NAME, {"queues": "celery,notify"})
    assert process.since == process.last_seen <= harness.now()


def test_a_process_keeps_its_start_time_and_shows_its_last_heartbeat(harness: StoreHarness, redis: "Redis") -> None:
    harness.stores.processes.record_heartbeat("worker", NAME, {"queues": "celery"})
    (before,) = harness.stores.processes.running()
    redis.hincrby(keys.process("worker", NAME), "since", -5_000)
    harness.stores.processes.record_heartbeat("worker", NAME, {"queues": "notify"})
    (after,) = harness.stores.processes.running()
    assert after.since == before.since - 5
    assert after.last_seen >= before.last_seen
    assert after.detail == {"queues": "notify"}


def test_a_process_without_heartbeats_is_not_running_and_is_removed_later(
    harness: StoreHarness, redis: "Redis"
) -> None:
    processes = harness.stores.processes
    processes.record_heartbeat("worker", NAME, {})
    age_heartbeats(redis, RUNNING_WITHIN)
    assert processes.running() == []
    assert [process.name for process in processes.running(within=FORGOTTEN_AFTER)] == [NAME]
    assert 0 < redis.pttl(keys.process("worker", NAME)) <= FORGOTTEN_AFTER * 1_000
    age_heartbeats(redis, FORGOTTEN_AFTER - RUNNING_WITHIN)
    processes.record_heartbeat("beat", NAME, {})
    assert redis.zrange(keys.PROCESSES, 0, -1) == [f"beat:{NAME}"]


def test_processes_are_distinguished_by_kind_and_removed_when_they_stop(harness: StoreHarness, redis: "Redis") -> None:
    processes = harness.stores.processes
    for kind in ("worker", "beat", "api"):
        processes.record_heartbeat(kind, NAME, {})
    assert [process.kind for process in processes.running("beat")] == ["beat"]
    processes.remove("beat", NAME)
    assert {process.kind for process in processes.running()} == {"worker", "api"}
    processes.remove("worker", NAME)
    processes.remove("api", NAME)
    assert not redis.keys("*process*")


def test_the_last_heartbeat_of_a_kind_is_kept_after_its_process_ended(harness: StoreHarness, redis: "Redis") -> None:
    processes = harness.stores.processes
    assert processes.last_heartbeats() == {}
    processes.record_heartbeat("worker", "willcall-6@box", {})
    processes.record_heartbeat("worker", NAME, {})
    processes.record_heartbeat("beat", "willcall-8@box", {})
    (beat,) = processes.running("beat")
    processes.remove("beat", "willcall-8@box")
    age_heartbeats(redis, FORGOTTEN_AFTER)
    processes.record_heartbeat("api", NAME, {})
    assert [process.kind for process in processes.running(within=FORGOTTEN_AFTER)] == ["api"]
    signs = processes.last_heartbeats()
    assert (signs["worker"].name, signs["beat"]) == (NAME, Heartbeat("willcall-8@box", beat.last_seen))
    assert signs["worker"].at <= beat.last_seen
    assert redis.ttl(keys.LAST_HEARTBEATS) == -1


def test_the_last_run_of_each_sweep_is_kept(harness: StoreHarness) -> None:
    sweeps = harness.stores.sweeps
    assert sweeps.last_runs() == {}
    sweeps.record_failure("polls", 1_000.5, 0.25, "TimeoutError")
    sweeps.record_success("prune", 2_000, 1, {"orders": 3})
    assert sweeps.last_runs()["polls"].error == "TimeoutError"
    sweeps.record_success("polls", 1_010.5, 0.125, {"resent": 1})
    run = sweeps.last_runs()["polls"]
    assert (run.at, run.seconds, run.counts, run.error) == (1_010.5, 0.125, {"resent": 1}, None)
    assert sweeps.last_runs().keys() == {"polls", "prune"}


def lost(harness: StoreHarness) -> list[str]:
    return [process.name for process in harness.stores.processes.lost()]


def test_a_process_that_disappeared_is_lost_until_another_one_replaces_it(
    harness: StoreHarness, redis: "Redis"
) -> None:
    processes = harness.stores.processes
    for name in ("one", "two"):
        processes.record_heartbeat("worker", name, {})
    redis.hset(keys.process("worker", "two"), "since", 1)
    age_heartbeats(redis, RUNNING_WITHIN + 1)
    processes.record_heartbeat("worker", "two", {})
    assert lost(harness) == ["one"]
    age_heartbeats(redis, FORGOTTEN_AFTER)
    processes.record_heartbeat("worker", "two", {})
    processes.record_heartbeat("beat", "three", {})
    assert lost(harness) == ["one"], "neither an older worker nor a beat replaces it"
    processes.record_heartbeat("worker", "four", {})
    assert lost(harness) == []
    processes.record_heartbeat("worker", "four", {})
    age_heartbeats(redis, FORGOTTEN_AFTER + 1)
    processes.record_heartbeat("worker", "two", {})
    assert sorted(lost(harness)) == ["four", "three"]
    processes.record_heartbeat("worker", "four", {})
    processes.remove("beat", "three")
    assert lost(harness) == []


def test_a_process_that_ends_is_not_lost(harness: StoreHarness, redis: "Redis") -> None:
    processes = harness.stores.processes
    processes.record_heartbeat("worker", "one", {})
    processes.remove("worker", "one")
    age_heartbeats(redis, FORGOTTEN_AFTER)
    processes.record_heartbeat("worker", "two", {})
    assert lost(harness) == []
