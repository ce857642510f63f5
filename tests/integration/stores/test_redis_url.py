"""One Redis URL, read by both clients that use it."""

from pathlib import Path

from tests.integration.doctor.conftest import Serve, server  # noqa: F401 - a fixture
from willcall.config import load
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.stores.connection import connect
from workers.broker import celery_app


def test_options_of_the_url_reach_both_clients(redis_server: EmbeddedRedis) -> None:
    options = "health_check_interval=30&socket_timeout=7&socket_keepalive=true&client_name=ours"
    url = f"{redis_server.url}?{options}"
    config = load({"WILLCALL_REDIS_URL": url}, Path("/nonexistent"))
    with connect(url) as client:
        client.ping()
        assert client.client_getname() == "ours"
        assert client.connection_pool.connection_kwargs["health_check_interval"] == 30
    app = celery_app(config.broker_url, ["willcall"])
    with app.connection_for_write() as connection:
        pool = connection.default_channel.pool
        assert (pool.connection_kwargs["health_check_interval"], pool.connection_kwargs["socket_timeout"]) == (30, 7)
        assert connection.default_channel.queues.client.client_getname() == "ours"


def test_a_url_can_name_a_socket_file_and_a_database(server: Serve, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    path = tmp_path / "s"
    own = server(unixsocket=path)
    password = own.url.split(":")[2].partition("@")[0]
    config = load({"WILLCALL_REDIS_URL": f"unix://:{password}@{path}?db=2"}, Path("/nonexistent"))
    with connect(config.settings.redis_url) as client:
        client.set("here", 1)
    app = celery_app(config.broker_url, ["willcall"])
    with app.connection_for_write() as connection:
        assert connection.default_channel.queues.client.get("here") == b"1"
