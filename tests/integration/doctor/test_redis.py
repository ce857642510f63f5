"""Redis as the state's keeper and as the broker: real servers that are not as they should be."""

import os
import signal
import time
from typing import Any

import pytest
from redis import Redis

from tests.integration.doctor.conftest import Admit, Serve, findings, told, well
from willcall.cli.doctor.server import APART, SHOWN_REPLACED
from willcall.devtools.embedded_redis import EmbeddedRedis, free_port
from willcall.stores import keys


def test_the_embedded_server_is_well(admit: Admit) -> None:
    found = well(admit(), "redis")
    assert "append-only file, no eviction" in found
    assert "(password hidden)" in found
    assert well(admit(), "broker") == "the same Redis, in which countdowns wait too"


@pytest.mark.parametrize(
    ("settings", "level", "what"),
    [
        ({"appendonly": "no"}, "wrong", "it keeps no append-only file"),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": "100mb"}, "wrong", "its eviction policy is allkeys-lru"),
        ({"maxmemory_policy": "allkeys-lru"}, "warning", "its eviction policy is allkeys-lru"),
    ],
)
def test_a_server_that_may_lose_orders_is_wrong(
    admit: Admit, server: Serve, settings: dict[str, Any], level: str, what: str
) -> None:
    assert told(admit(redis_url=server(**settings).url), "redis") == [(level, what)]


def test_memory_that_runs_out_is_told_before_and_when_it_has(admit: Admit, server: Serve) -> None:
    own = server()
    with Redis.from_url(own.url) as client:
        client.setrange("much", 20_000_000, "x")  # beside which a connection more is little
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", int(used / 0.81))
        ((level, what),) = told(admit(redis_url=own.url), "redis")
        assert (level, what[:9]) == ("warning", "it uses 8")
        client.config_set("maxmemory", int(used / 0.93))
        ((level, what),) = told(admit(redis_url=own.url), "redis")
        assert (level, what[:9]) == ("wrong", "it uses 9")
        client.config_set("maxmemory", used // 2)
        ((level, what),) = told(admit(redis_url=own.url), "redis")
        assert (level, "OOM" in what) == ("wrong", True)


def test_a_replica_takes_no_writes(admit: Admit, server: Serve) -> None:
    primary = server()
    password = primary.url.split(":")[2].partition("@")[0]
    replica = server(replicaof=f"127.0.0.1 {primary.port}", masterauth=password)
    assert told(admit(redis_url=replica.url), "redis") == [("wrong", "it is a replica, which takes no writes")]


def test_a_snapshot_that_failed_is_told(admit: Admit, server: Serve) -> None:
    own = server()
    (own.folder / "dump.rdb").mkdir()
    with Redis.from_url(own.url) as client:
        client.bgsave()
        while client.info("persistence")["rdb_bgsave_in_progress"]:
            time.sleep(0.01)
    ((level, what),) = told(admit(redis_url=own.url), "redis")
    assert (level, what) == ("warning", "it could not take its last snapshot, after which it may refuse to write")


@pytest.mark.parametrize(
    ("says", "level", "what"),
    [
        ({"redis_version": "5.0.14"}, "wrong", "version 5.0.14 is too old"),
        ({"cluster_enabled": 1}, "wrong", "it is a cluster"),
        ({"aof_last_write_status": "err"}, "wrong", "it could not write its append-only file"),
        ({"aof_last_bgrewrite_status": "err"}, "warning", "it could not rewrite its append-only file, which grows"),
    ],
)
def test_what_a_server_says_of_itself_is_judged(
    monkeypatch: pytest.MonkeyPatch, admit: Admit, says: dict[str, Any], level: str, what: str
) -> None:
    """Its own words, but for the one that no server at hand can be brought to say."""
    patient = admit()
    info = patient.redis.info() | says
    monkeypatch.setattr(patient.redis, "info", lambda: info)
    assert told(patient, "redis") == [(level, what)]


@pytest.mark.parametrize(
    ("ahead", "level", "what"),
    [
        (-5, "warning", "its clock is 5 s ahead of this machine's"),
        (-300, "wrong", "its clock is 5 min ahead of this machine's"),
        (300, "wrong", "its clock is 5 min behind this machine's"),
    ],
)
def test_clocks_that_are_apart_are_told(
    admit: Admit, monkeypatch: pytest.MonkeyPatch, ahead: float, level: str, what: str
) -> None:
    patient = admit()
    monkeypatch.setattr("willcall.cli.doctor.server.APART", APART)
    moment, micros = patient.redis.time()
    monkeypatch.setattr(patient.redis, "time", lambda: (moment, micros))
    patient.clock = lambda: moment + micros / 1e6 + ahead
    assert told(patient, "redis") == [(level, what)]


def test_why_a_server_cannot_be_had_is_told_without_its_password(admit: Admit, redis_server: EmbeddedRedis) -> None:
    port = redis_server.port
    urls = {
        f"redis://:hunter2@127.0.0.1:{free_port()}/0": "cannot be reached: ",
        f"redis://:hunter2@127.0.0.1:{port}/0": "refuses: invalid",
        "redis://:hunter2@no.such.host.invalid/0": "cannot be reached: ",
    }
    for url, why in urls.items():
        (finding,) = findings(admit(redis_url=url), "redis")
        assert finding.level == "wrong"
        assert why in finding.found
        assert "hunter2" not in finding.found


def test_a_user_that_may_not_write_is_told(admit: Admit, server: Serve) -> None:
    own = server()
    with Redis.from_url(own.url) as client:
        client.acl_setuser("reader", enabled=True, passwords=["+hunter2"], keys=["*"], commands=["+info", "+time"])
    (finding,) = findings(admit(redis_url=f"redis://reader:hunter2@127.0.0.1:{own.port}/0"), "redis")
    assert finding.level == "wrong"
    assert "refuses" in finding.found
    assert "hunter2" not in finding.found


def test_a_server_that_hangs_does_not_answer_in_time(
    admit: Admit, server: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = server()
    admit()
    monkeypatch.setattr("willcall.cli.doctor.patient.REDIS_TIMEOUT", 0.2)
    patient = admit(redis_url=own.url)
    os.kill(own.pid, signal.SIGSTOP)
    (finding,) = findings(patient, "redis")
    assert finding.level == "wrong"
    assert finding.found.endswith("does not answer in time")


def test_a_broker_of_its_own_is_judged_like_the_state(admit: Admit, server: Serve) -> None:
    assert "append-only file" in well(admit(broker_url=server().url), "broker")
    loose = server(appendonly="no")
    assert told(admit(broker_url=loose.url), "broker") == [("wrong", "it keeps no append-only file")]
    (finding,) = findings(admit(broker_url=f"redis://:hunter2@127.0.0.1:{free_port()}/0"), "broker")
    assert "broker_url" in (finding.mend or "")


def test_a_rabbitmq_that_is_away_is_told_without_its_password(admit: Admit) -> None:
    (finding,) = findings(admit(broker_url=f"amqp://willcall:hunter2@127.0.0.1:{free_port()}//"), "broker")
    assert finding.level == "wrong"
    assert "cannot be reached" in finding.found
    assert "hunter2" not in finding.found


def test_looking_leaves_nothing_behind(admit: Admit, redis: Redis) -> None:
    well(admit(), "redis")
    assert all(redis.pttl(key) > 0 for key in redis.scan_iter())


def test_a_state_that_was_replaced_is_reported_for_a_day(admit: Admit) -> None:
    patient = admit()
    assert well(patient, "redis")
    patient.processes.report_replaced()
    ((level, what),) = told(patient, "redis")
    assert (level, what.startswith("it was emptied or replaced ")) == ("warning", True)
    patient.redis.hset(keys.STATE, "replaced_at", int((patient.now() - SHOWN_REPLACED - 1) * 1_000))
    assert well(patient, "redis")


def test_a_state_that_was_replaced_is_reported_beside_what_is_wrong(admit: Admit, server: Serve) -> None:
    patient = admit(redis_url=server(appendonly="no", save='""').url)
    patient.processes.report_replaced()
    assert [level for level, _ in told(patient, "redis")] == ["wrong", "warning"]


def test_a_server_with_too_many_clients_is_not_to_be_started(admit: Admit, server: Serve) -> None:
    full = server(maxclients=1)
    with Redis.from_url(full.url) as other:
        other.ping()
        (finding,) = findings(admit(redis_url=full.url), "redis")
    assert (finding.mend or "").startswith("It has as many clients as it allows: raise its `maxclients`")


def test_a_user_without_the_right_to_write_a_hash_is_named(admit: Admit, server: Serve) -> None:
    bound = server()
    with Redis.from_url(bound.url) as other:
        other.acl_setuser("default", enabled=True, commands=["-hset"])
    ((level, what),) = told(admit(redis_url=bound.url), "redis")
    assert (level, what.endswith("refuses: its user may not write")) == ("wrong", True)
