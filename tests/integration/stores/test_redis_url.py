"""Each form of the address of Redis reaches the same server by both clients: that of the state and the broker's."""

import re
from collections.abc import Callable, Iterator

import pytest
from kombu import Producer
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.any_redis import FORMS, USER, AnyRedis, any_redis
from tests.tools import redis_version, require
from willcall.stores.connection import StoreError, connect
from willcall.stores.outages import describe, remedy
from workers.broker import celery_app
from workers.broker_checks import check_connection


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyRedis]:
    # A short path: that of a socket file has 107 characters at most.
    with any_redis(tmp_path_factory.mktemp("r")) as running:
        yield running


@pytest.mark.parametrize("form", FORMS)
def test_both_clients_use_the_database_the_user_and_the_options_of_the_address(servers: AnyRedis, form: str) -> None:
    require("a Redis with TLS", servers.urls.get(form))
    url, database = servers.urls[form], FORMS.index(form) + 1
    with connect(url) as state, celery_app(url, ["willcall"]).connection_for_write() as connection:
        assert state.set("here", form)
        queues = connection.default_channel.queues
        assert queues.client.get("here") == form.encode()
        for client in (state, queues.client):
            seen = client.client_info()
            assert (int(seen["db"]), seen["user"]) == (database, USER)
            if redis_version() >= (7, 0):
                assert seen["resp"] == ("2" if form == "resp2" else "3")
            assert seen["name"] == ("ours" if form == "options" else "")
        Producer(connection).publish("now", routing_key="willcall")
        queue = connection.SimpleQueue("willcall")
        message = queue.get(timeout=60)
        assert message.payload == "now"
        message.ack()
        queue.close()


@pytest.mark.parametrize(
    ("form", "wrong", "fix"),
    [
        ("redis", lambda url: url.replace("/1?", "/99?"), "choose a lower number"),
        ("rediss", lambda url: url.replace("rediss://", "redis://").partition("?")[0], "write `rediss://`"),
        ("rediss", lambda url: re.sub("&ssl_(cert|key)file=[^&]*", "", url), "If it requires a client certificate"),
        ("rediss", lambda url: re.sub("ssl_ca_certs=[^&]*", "", url), "Name the authority"),
        ("rediss", lambda url: url.replace("localhost", "127.1"), "Write the host that its certificate is for"),
        ("sentinel", lambda url: url.replace("/tickets/", "/others/"), "Check the name of the master"),
        ("sentinel", lambda url: url.replace("sentinel_password=", "sentinel_password=x"), "login"),
    ],
)
def test_a_mistake_in_an_address_has_its_own_remedy(
    servers: AnyRedis, form: str, wrong: Callable[[str], str], fix: str
) -> None:
    require("a Redis with TLS", servers.urls.get(form))
    url = wrong(servers.urls[form])
    assert url != servers.urls[form]
    with connect(url, retries=0) as client, pytest.raises(StoreError) as caught:
        client.ping()
    assert fix in (remedy(caught.value) or "")
    assert "<" not in describe(caught.value)


def test_a_certificate_of_an_unknown_authority_is_rejected(servers: AnyRedis) -> None:
    require("a Redis with TLS", servers.tls)
    url = servers.urls["rediss"].partition("ssl_ca_certs")[0].rstrip("?&")
    with connect(url) as state, pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        state.ping()
    with pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        check_connection(celery_app(url, ["willcall"]))


def test_a_caller_of_the_broker_may_wait_for_less_than_the_address_says(servers: AnyRedis) -> None:
    app = celery_app(servers.urls["options"], ["willcall"])
    for options, expected in (({}, 30), ({"socket_timeout": 2.0}, 2.0)):
        with app.connection_for_write(transport_options=options) as connection:
            assert connection.default_channel.pool.connection_kwargs["socket_timeout"] == expected
