"""Real servers that are reachable but do not serve."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from tests.integration.doctor.conftest import Serve, server  # noqa: F401 - a fixture
from tests.waiting import wait_until
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.stores import keys
from willcall.stores.connection import StoreError, connect, probe
from willcall.stores.outages import NotServingError, not_serving_code
from willcall.stores.scripts import LuaScript
from workers.transport.redis import install_transport

WRITES = "return redis.call('SET', KEYS[1], cjson.decode(ARGV[1]).value)"

Break = Callable[[EmbeddedRedis], None]


def readonly(own: EmbeddedRedis) -> None:
    with Redis.from_url(own.url) as client:
        client.replicaof("127.0.0.1", 1)


def out_of_memory(own: EmbeddedRedis) -> None:
    with Redis.from_url(own.url) as client:
        client.config_set("maxmemory", 1)


def without_snapshots(own: EmbeddedRedis) -> None:
    (Path(own.folder) / "dump.rdb").mkdir()
    with Redis.from_url(own.url) as client:
        client.config_set("save", "3600 1")
        client.bgsave()
        wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] != "ok")


def without_replicas(own: EmbeddedRedis) -> None:
    with Redis.from_url(own.url) as client:
        client.config_set("min-replicas-to-write", 1)


def without_permission(own: EmbeddedRedis) -> None:
    with Redis.from_url(own.url) as client:
        client.acl_setuser("default", enabled=True, commands=["-set", "-eval", "-evalsha"])


def without_a_permission_of_scripts(own: EmbeddedRedis) -> None:
    with Redis.from_url(own.url) as client:
        client.acl_setuser("default", enabled=True, commands=["-hset"])


def busy(own: EmbeddedRedis) -> None:
    def loop() -> None:
        with Redis.from_url(own.url, socket_timeout=None) as client:
            client.config_set("lua-time-limit", 1)
            with suppress(RedisError):  # it is killed
                client.eval("while true do end", 0)

    threading.Thread(target=loop, daemon=True).start()

    def is_busy() -> bool:
        with Redis.from_url(own.url) as client:
            try:
                client.ping()
            except ResponseError:
                return True
            return False

    wait_until(is_busy)


@pytest.mark.parametrize(
    ("bring_about", "code"),
    [
        (readonly, "READONLY"),
        (out_of_memory, "OOM"),
        (without_snapshots, "MISCONF"),
        (without_replicas, "NOREPLICAS"),
        (without_permission, "NOPERM"),
        (busy, "BUSY"),
    ],
)
def test_a_server_that_does_not_serve_is_unavailable(server: Serve, bring_about: Break, code: str) -> None:  # noqa: F811
    own = server(enable_debug_command="yes")
    client = connect(own.url)
    script = LuaScript(client, WRITES)
    script(keys=["a"], args={"value": 1})
    bring_about(own)
    install_transport()
    with pytest.raises(NotServingError, match=code) as raised:
        probe(client)
    assert isinstance(raised.value, StoreError)
    with pytest.raises(NotServingError, match=code):
        script(keys=["a"], args={"value": 2})
    with pytest.raises(NotServingError, match=code), client.pipeline() as pipe:
        pipe.set("a", 1).set("b", 2).execute()
    with Connection(own.url) as connection, pytest.raises(connection.connection_errors):
        connection.connect()
    if code == "BUSY":
        with Redis.from_url(own.url) as other:
            other.script_kill()


@pytest.mark.parametrize("command", ["+hset", "+hset -zadd", "-hset +zadd", "+zadd +hset -evalsha"])
def test_the_probe_needs_the_permissions_of_the_work(server: Serve, command: str) -> None:  # noqa: F811 - the fixture
    own = server()
    client = connect(own.url)
    with Redis.from_url(own.url) as other:
        other.acl_setuser("default", enabled=True, commands=command.split())
    if "-" not in command:
        probe(client)
        assert client.keys() == []
        return
    with pytest.raises(NotServingError, match="NOPERM"):
        probe(client)


def test_a_command_that_a_script_may_not_run_is_an_outage(server: Serve) -> None:  # noqa: F811 - the fixture
    own = server()
    script = LuaScript(connect(own.url), "return redis.call('HSET', KEYS[1], 'a', cjson.decode(ARGV[1]).value)")
    script(keys=["a"], args={"value": 1})
    without_a_permission_of_scripts(own)
    with pytest.raises(NotServingError, match="NOPERM"):
        script(keys=["a"], args={"value": 2})


def test_our_own_errors_are_not_outages(server: Serve) -> None:  # noqa: F811 - the fixture
    client = connect(server().url)
    client.set("a", 1)
    with pytest.raises(ResponseError, match="WRONGTYPE") as raised:
        client.lpush("a", 1)
    assert not_serving_code(raised.value) is None


def test_everything_continues_when_the_server_serves_again(server: Serve) -> None:  # noqa: F811 - the fixture
    own = server()
    client = connect(own.url)
    script = LuaScript(client, WRITES)
    readonly(own)
    with pytest.raises(NotServingError):
        script(keys=["a"], args={"value": 1})
    with Redis.from_url(own.url) as other:
        other.replicaof("NO", "ONE")
    script(keys=["a"], args={"value": 2})
    assert client.get("a") == "2"


def test_a_patient_client_waits_until_the_server_serves(server: Serve) -> None:  # noqa: F811 - the fixture
    own = server()
    script = LuaScript(connect(own.url, patient=True), WRITES)
    readonly(own)
    done = threading.Event()

    def write() -> None:
        script(keys=["a"], args={"value": "kept"})
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    with Redis.from_url(own.url) as other:
        wait_until(lambda: other.info("stats")["total_error_replies"] >= 2)
        other.replicaof("NO", "ONE")
        thread.join(60)
        assert (done.is_set(), other.get("a")) == (True, b"kept")


@contextmanager
def answering(*lines: str) -> Iterator[str]:
    """Return the URL of a server that answers each command with the next line, and repeats the last."""

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            left = list(lines)
            with client:
                while data := client.recv(65_536):
                    for _ in range(data.count(b"*")):
                        client.sendall((left.pop(0) if len(left) > 1 else left[0]).encode() + b"\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0?protocol=2"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("-LOADING Redis is loading the dataset in memory", "LOADING"),
        ("-CLUSTERDOWN Hash slot not served", "CLUSTERDOWN"),
        ("-TRYAGAIN Multiple keys request during rehashing of slot", "TRYAGAIN"),
        ("-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "MASTERDOWN"),
        ("-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)", "UNBLOCKED"),
        (
            "-ERR Error running script (call to f_2067): @user_script:1: @user_script: 1: -READONLY You can't write. ",
            "READONLY",
        ),
    ],
)
def test_replies_of_other_server_versions_are_recognized(answer: str, code: str) -> None:
    with answering("+OK", "+OK", answer) as url, pytest.raises(NotServingError, match=code):
        connect(url).get(keys.PROBE)


def test_too_many_clients_are_an_outage(server: Serve) -> None:  # noqa: F811 - the fixture
    own = server(maxclients=1)
    with Redis.from_url(own.url, retry=Retry(ConstantBackoff(0.05), 200)) as first:
        first.ping()  # once the client that started the server is gone
        with pytest.raises(StoreError):
            probe(connect(own.url))


def test_a_command_that_is_rejected_while_connecting_does_not_matter(server: Serve) -> None:  # noqa: F811
    own = server()
    with Redis.from_url(own.url) as client:
        options: dict[str, Any] = {"enabled": True, "passwords": ["+word"], "keys": ["*"]}
        client.acl_setuser("narrow", commands=["+set", "+auth", "+hello", "+select"], **options)
    connect(f"redis://narrow:word@127.0.0.1:{own.port}/0").set("a", 1)
