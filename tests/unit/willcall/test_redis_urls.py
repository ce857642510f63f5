"""URLs of Redis, as the state and the messages read them."""

import ssl
from pathlib import Path

import pytest

from willcall.config import ConfigError, load
from willcall.stores.redis_urls import SentinelUrl, for_kombu, read_sentinel_url
from workers.broker import celery_app


def test_a_sentinel_url_has_all_settings() -> None:
    url = read_sentinel_url("sentinel://willcall:p%40ss@one,[::1]:26380/tickets/3?sentinel_password=o%20ther")
    assert url == SentinelUrl((("one", 26_379), ("::1", 26_380)), "tickets", 3, "willcall", "p@ss", "o ther")
    assert read_sentinel_url("sentinel://one/tickets") == SentinelUrl((("one", 26_379),), "tickets")


def test_no_repr_of_a_sentinel_url_shows_a_secret() -> None:
    shown = repr(read_sentinel_url("sentinel://:hunter2@one/tickets/0?sentinel_password=hunter3"))
    assert "hunter" not in shown


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sentinel://one:26379", "name of the master"),
        ("sentinel://one/tickets/zero", "number of a database"),
        ("sentinel://one:port/tickets", "name each Sentinel"),
        ("sentinel://one,,two/tickets", "name each Sentinel"),
        ("sentinel://one/tickets?db=3", "the only one is sentinel_password"),
    ],
)
def test_errors_of_a_sentinel_url_are_explained(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_sentinel_url(url)


def test_the_certificate_of_a_broker_is_verified_unless_its_url_says_otherwise() -> None:
    assert celery_app("rediss://redis/0", ["celery"]).connection().ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    options = celery_app("rediss://redis/0?ssl_cert_reqs=none", ["celery"]).connection().ssl
    assert options == {"ssl_cert_reqs": ssl.CERT_NONE}


def test_the_broker_url_lists_every_sentinel_in_kombus_form() -> None:
    app = celery_app("sentinel://willcall:p%40ss@one,[::1]:26380/tickets/3?sentinel_password=other", ["celery"])
    assert app.conf.broker_url == ("sentinel://willcall:p%40ss@one:26379/3;sentinel://willcall:p%40ss@[::1]:26380/3")
    assert app.conf.broker_transport_options["master_name"] == "tickets"
    assert app.conf.broker_transport_options["sentinel_kwargs"]["password"] == "other"


@pytest.mark.parametrize(
    "query",
    ["nonsense=1", "health_check_interval=often", "socket_keepalive=maybe", "db=one", "ssl_ca_certs=/a", "password=x"],
)
def test_an_option_that_cannot_be_used_is_named(query: str) -> None:
    with pytest.raises(ConfigError, match=query.partition("=")[0]):
        load({"WILLCALL_REDIS_URL": f"redis://redis/0?{query}"}, Path("/nonexistent"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://redis?db=3&socket_timeout=2", "redis://redis/3"),
        ("rediss://redis/1?ssl_ca_certs=/a/b.pem", "rediss://redis/1?ssl_ca_certs=/a/b.pem"),
        ("redis+socket:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
    ],
)
def test_the_database_may_be_in_the_query(url: str, expected: str) -> None:
    assert for_kombu(url)[0] == expected
