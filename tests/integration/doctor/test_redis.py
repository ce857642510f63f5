"""Redis as the state store and as the broker: real servers with problems."""

import os
import signal
import time
from typing import Any

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from tests.integration.doctor.conftest import MakeContext, Serve, findings, messages, ok_message
from tests.waiting import wait_until
from willcall.cli.doctor.checks.redis_server import CLOCKS_APART, REPLACED_SHOWN_FOR
from willcall.cli.doctor.findings import CheckResult, Level
from willcall.config import ConfigError
from willcall.devtools.embedded_redis import EmbeddedRedis, free_port
from willcall.stores import keys
from workers.startup import refuse_unusable_servers


def test_the_embedded_server_is_healthy(make_context: MakeContext) -> None:
    found = ok_message(make_context(), "redis")
    assert "append-only file, no eviction" in found
    assert "(password hidden)" in found
    assert ok_message(make_context(), "broker") == "the same Redis, which also stores countdowns"


@pytest.mark.parametrize(
    ("settings", "level", "what"),
    [
        ({"appendonly": "no"}, "error", "it has no append-only file"),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": "100mb"}, "error", "its eviction policy is allkeys-lru"),
        ({"maxmemory_policy": "allkeys-lru"}, "warning", "its eviction policy is allkeys-lru"),
    ],
)
def test_a_server_that_may_lose_orders_is_reported(
    make_context: MakeContext, server: Serve, settings: dict[str, Any], level: str, what: str
) -> None:
    assert messages(make_context(redis_url=server(**settings).url), "redis") == [(level, what)]


def test_scarce_memory_is_a_warning_and_full_memory_an_error(make_context: MakeContext, server: Serve) -> None:
    own = server()
    with Redis.from_url(own.url) as client:
        client.setrange("much", 20_000_000, "x")  # beside which a connection more is little
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", int(used / 0.81))
        ((level, what),) = messages(make_context(redis_url=own.url), "redis")
        assert (level, what[:9]) == ("warning", "it uses 8")
        client.config_set("maxmemory", int(used / 0.93))
        ((level, what),) = messages(make_context(redis_url=own.url), "redis")
        assert (level, what[:9]) == ("error", "it uses 9")
        client.config_set("maxmemory", used // 2)
        ((level, what),) = messages(make_context(redis_url=own.url), "redis")
        assert (level, "OOM" in what) == ("error", True)


def test_a_replica_is_an_error(make_context: MakeContext, server: Serve) -> None:
    primary = server()
    password = primary.url.split(":")[2].partition("@")[0]
    replica = server(replicaof=f"127.0.0.1 {primary.port}", masterauth=password)
    assert messages(make_context(redis_url=replica.url), "redis") == [
        ("error", "it is a replica, which accepts no writes")
    ]


def test_a_failed_snapshot_is_a_warning(make_context: MakeContext, server: Serve) -> None:
    own = server()
    (own.folder / "dump.rdb").mkdir()
    with Redis.from_url(own.url) as client:
        client.bgsave()
        while client.info("persistence")["rdb_bgsave_in_progress"]:
            time.sleep(0.01)
    ((level, what),) = messages(make_context(redis_url=own.url), "redis")
    assert (level, what) == ("warning", "its last snapshot failed, so it may reject writes")


@pytest.mark.parametrize(
    ("says", "level", "what"),
    [
        ({"redis_version": "5.0.14"}, "error", "version 5.0.14 is too old"),
        ({"redis_version": "6.0.16", "valkey_version": "1"}, "error", "version Valkey 1 is too old"),
        ({"cluster_enabled": 1}, "error", "it is a Redis Cluster"),
        ({"aof_last_write_status": "err"}, "error", "it could not write its append-only file"),
        ({"aof_last_bgrewrite_status": "err"}, "warning", "it could not rewrite its append-only file, which grows"),
    ],
)
def test_the_info_of_a_server_is_checked(
    monkeypatch: pytest.MonkeyPatch, make_context: MakeContext, says: dict[str, Any], level: str, what: str
) -> None:
    """One field is replaced by what no server at hand can report."""
    context = make_context()
    info = {name: value for name, value in context.redis.info().items() if name != "valkey_version"} | says
    monkeypatch.setattr(context.redis, "info", lambda: info)
    ((said, message),) = messages(context, "redis")
    assert (said, message.partition(":")[0]) == (level, what)


@pytest.mark.parametrize(
    ("missing", "what"),
    [
        (["redis_version", "valkey_version"], {"it does not say its version"}),
        (["aof_enabled"], {"it does not say whether it has an append-only file"}),
        (["maxmemory_policy", "maxmemory"], {"it does not say its eviction policy"}),
        (["role", "used_memory", "used_memory_human", "rdb_last_bgsave_status", "aof_last_write_status"], set()),
        (
            ["aof_enabled", "maxmemory_policy", "aof_last_bgrewrite_status", "cluster_enabled"],
            {"it does not say whether it has an append-only file", "it does not say its eviction policy"},
        ),
    ],
)
def test_what_a_server_does_not_say_is_unknown(
    monkeypatch: pytest.MonkeyPatch, make_context: MakeContext, missing: list[str], what: set[str]
) -> None:
    context = make_context()
    info = {name: value for name, value in context.redis.info().items() if name not in missing}
    monkeypatch.setattr(context.redis, "info", lambda: info)
    found = findings(context, "redis")
    assert {finding.message for finding in found if finding.level is Level.HIDDEN} == what
    assert CheckResult("redis", found).passed
    if not what:
        assert [finding.level for finding in found] == [Level.OK]


@pytest.mark.parametrize("command", ["info", "config", "client", "memory", "role", "cluster", "command", "latency"])
def test_a_user_may_lack_any_command_that_describes_the_server(
    make_context: MakeContext, redis_server: EmbeddedRedis, redis: Redis, command: str
) -> None:
    redis.acl_setuser(
        "narrow", reset=True, enabled=True, passwords=["+word"], keys=["*"], commands=["+@all", f"-{command}"]
    )
    context = make_context(redis_url=f"redis://narrow:word@127.0.0.1:{redis_server.port}/0")
    refuse_unusable_servers(context.config)
    for check in ("redis", "broker", "queues"):
        found = findings(context, check)
        assert [finding.level for finding in found] == [
            Level.HIDDEN if (command, check) == ("info", "redis") else Level.OK
        ]
    redis.acl_deluser("narrow")


@pytest.fixture
def cluster(server: Serve) -> EmbeddedRedis:
    """A cluster of one server, which has all places for keys."""
    own = server(cluster_enabled="yes", cluster_port=free_port())
    with Redis.from_url(own.url) as client:
        client.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
        wait_until(lambda: "cluster_state:ok" in client.execute_command("CLUSTER", "INFO").decode())
    return own


def test_a_cluster_is_refused_by_doctor_and_at_start(make_context: MakeContext, cluster: EmbeddedRedis) -> None:
    url = f"redis://some:word@127.0.0.1:{cluster.port}/0"
    for rights in (["+@all"], ["+@all", "-info"]):
        with Redis.from_url(cluster.url) as client:
            client.acl_setuser("some", reset=True, enabled=True, passwords=["+word"], keys=["*"], commands=rights)
        ((level, what),) = messages(make_context(redis_url=url), "redis")
        assert (level, "it is a Redis Cluster: " in what) == ("error", True)
        for setting in ("redis_url", "broker_url"):
            with pytest.raises(ConfigError, match=f"^{setting}: cannot be used: it is a Redis Cluster: "):
                refuse_unusable_servers(make_context(**{setting: url}).config)


def test_a_server_that_is_too_old_is_refused_at_start(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_context().config
    refuse_unusable_servers(config)
    monkeypatch.setattr("redis.Redis.info", lambda _: {"redis_version": "6.0.16"})
    with pytest.raises(ConfigError, match=r"^redis_url: cannot be used: version 6\.0\.16 is too old: Willcall needs"):
        refuse_unusable_servers(config)


def test_a_server_that_is_unavailable_keeps_no_process_from_starting(make_context: MakeContext) -> None:
    refuse_unusable_servers(make_context(redis_url=f"redis://127.0.0.1:{free_port()}/0").config)


@pytest.mark.parametrize(
    ("ahead", "level", "what"),
    [
        (-5, "warning", "its clock is 5 s ahead of this machine's"),
        (-300, "error", "its clock is 5 min ahead of this machine's"),
        (300, "error", "its clock is 5 min behind this machine's"),
    ],
)
def test_clocks_that_differ_are_reported(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch, ahead: float, level: str, what: str
) -> None:
    context = make_context()
    monkeypatch.setattr("willcall.cli.doctor.checks.redis_server.CLOCKS_APART", CLOCKS_APART)
    moment, micros = context.redis.time()
    monkeypatch.setattr(context.redis, "time", lambda: (moment, micros))
    context.clock = lambda: moment + micros / 1e6 + ahead
    assert messages(context, "redis") == [(level, what)]


def test_a_connection_error_is_reported_without_the_password(
    make_context: MakeContext, redis_server: EmbeddedRedis
) -> None:
    port = redis_server.port
    urls = {
        f"redis://:hunter2@127.0.0.1:{free_port()}/0": "cannot connect to ",
        f"redis://:hunter2@127.0.0.1:{port}/0": "rejected the connection: invalid",
        "redis://:hunter2@no.such.host.invalid/0": "cannot connect to ",
    }
    for url, why in urls.items():
        (finding,) = findings(make_context(redis_url=url), "redis")
        assert finding.level == "error"
        assert why in finding.message
        assert "hunter2" not in finding.message


def test_a_user_that_may_not_write_is_an_error(make_context: MakeContext, server: Serve) -> None:
    own = server()
    with Redis.from_url(own.url) as client:
        client.acl_setuser("reader", enabled=True, passwords=["+hunter2"], keys=["*"], commands=["+info", "+time"])
    (finding,) = findings(make_context(redis_url=f"redis://reader:hunter2@127.0.0.1:{own.port}/0"), "redis")
    assert finding.level == "error"
    assert "does not let its user write" in finding.message
    assert "hunter2" not in finding.message


def test_a_server_that_hangs_times_out(
    make_context: MakeContext, server: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = server()
    make_context()
    monkeypatch.setattr("willcall.cli.doctor.context.REDIS_TIMEOUT", 0.2)
    context = make_context(redis_url=own.url)
    os.kill(own.pid, signal.SIGSTOP)
    (finding,) = findings(context, "redis")
    assert finding.level == "error"
    assert finding.message.endswith("timed out")


def test_a_separate_broker_is_checked_like_the_state_store(make_context: MakeContext, server: Serve) -> None:
    assert "append-only file" in ok_message(make_context(broker_url=server().url), "broker")
    loose = server(appendonly="no")
    assert messages(make_context(broker_url=loose.url), "broker") == [("error", "it has no append-only file")]
    (finding,) = findings(make_context(broker_url=f"redis://:hunter2@127.0.0.1:{free_port()}/0"), "broker")
    assert "broker_url" in (finding.fix or "")


def test_an_unreachable_rabbitmq_is_reported_without_its_password(make_context: MakeContext) -> None:
    (finding,) = findings(make_context(broker_url=f"amqp://willcall:hunter2@127.0.0.1:{free_port()}//"), "broker")
    assert finding.level == "error"
    assert "cannot connect to" in finding.message
    assert "hunter2" not in finding.message


def test_the_check_leaves_nothing_behind(make_context: MakeContext, redis: Redis) -> None:
    ok_message(make_context(), "redis")
    assert all(redis.pttl(key) > 0 for key in redis.scan_iter())


def test_a_state_that_was_replaced_is_reported_for_a_day(make_context: MakeContext) -> None:
    context = make_context()
    assert ok_message(context, "redis")
    context.processes.report_replaced()
    ((level, what),) = messages(context, "redis")
    assert (level, what.startswith("it was emptied or replaced ")) == ("warning", True)
    context.redis.hset(keys.STATE, "replaced_at", int((context.now() - REPLACED_SHOWN_FOR - 1) * 1_000))
    assert ok_message(context, "redis")


def test_a_state_that_was_replaced_is_reported_beside_what_is_wrong(make_context: MakeContext, server: Serve) -> None:
    context = make_context(redis_url=server(appendonly="no", save='""').url)
    context.processes.report_replaced()
    assert [level for level, _ in messages(context, "redis")] == ["error", "warning"]


def test_a_server_with_too_many_clients_has_its_own_fix(make_context: MakeContext, server: Serve) -> None:
    full = server(maxclients=1)
    with Redis.from_url(full.url, retry=Retry(ConstantBackoff(0.05), 200)) as other:
        other.ping()  # once the client that started the server is gone
        (finding,) = findings(make_context(redis_url=full.url), "redis")
    assert (finding.fix or "").startswith("It has as many clients as it allows. Raise its `maxclients`")


def test_a_user_without_permission_to_write_a_hash_is_an_error(make_context: MakeContext, server: Serve) -> None:
    bound = server()
    with Redis.from_url(bound.url) as other:
        other.acl_setuser("default", enabled=True, commands=["-hset"])
    ((level, what),) = messages(make_context(redis_url=bound.url), "redis")
    assert (level, what.endswith("does not let its user write")) == ("error", True)
