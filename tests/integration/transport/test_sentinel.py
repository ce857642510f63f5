"""The transport over Sentinel URLs."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kombu import Connection, Producer
from kombu.transport import get_transport_cls
from kombu.transport import redis as stock
from redis import Redis
from redis.exceptions import RedisError

from tests.waiting import wait_until
from willcall.devtools.embedded_redis import EmbeddedRedis, executable, free_port
from workers.broker import celery_app
from workers.transport.channel import Channel
from workers.transport.redis import RedisTransport, SentinelChannel, SentinelTransport, install_transport


def answers(port: int) -> bool:
    try:
        with Redis(port=port) as client:
            return bool(client.ping())
    except RedisError:
        return False


@pytest.fixture
def sentinel_url(redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[str]:
    """A Sentinel that watches the test server."""
    port, password = free_port(), urlsplit(redis_server.url).password
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(
        f"bind 127.0.0.1\nport {port}\nsentinel monitor tickets 127.0.0.1 {redis_server.port} 1\n"
        f"sentinel auth-pass tickets {password}\n"
    )
    with (tmp_path / "sentinel.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own server
            [executable(), str(configuration), "--sentinel"], stdout=log, cwd=tmp_path
        )
    try:
        wait_until(lambda: answers(port))
        yield f"sentinel://:{password}@127.0.0.1:{port}/tickets/0"
    finally:
        process.kill()
        process.wait()


def test_messages_are_delayed_with_sentinel(sentinel_url: str, redis: Redis) -> None:
    with celery_app(sentinel_url, ["polls"]).connection_for_write() as connection:
        later = {"eta": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
        Producer(connection).publish("later", routing_key="polls", headers=later)
        Producer(connection).publish("now", routing_key="polls")
        assert redis.zcard("willcall:broker:delayed:polls") == 1
        queue = connection.SimpleQueue("polls")
        message = queue.get(timeout=60)
        assert message.payload == "now"
        message.ack()
        queue.close()


def test_every_redis_url_uses_our_transport() -> None:
    install_transport()
    assert get_transport_cls("redis") is get_transport_cls("rediss") is RedisTransport
    assert get_transport_cls("sentinel") is SentinelTransport
    assert isinstance(Connection("redis+socket:///tmp/redis.sock").transport, RedisTransport)
    assert SentinelTransport.default_port == stock.SentinelTransport.default_port
    assert SentinelTransport.Channel is SentinelChannel
    assert issubclass(SentinelChannel, Channel)
