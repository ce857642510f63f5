"""Addresses of Redis: what is accepted, and how the configuration names what is not."""

import re
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.tools import require_command
from willcall.config import ConfigError, load
from willcall.stores.redis_address import RedisAddress, parse_address
from workers.log_redaction import secret_values

LOCAL = (("localhost", 6_379),)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", RedisAddress(hosts=LOCAL)),
        ("redis://localhost", RedisAddress(hosts=LOCAL)),
        ("redis://:pw@localhost", RedisAddress(hosts=LOCAL, password="pw")),
        ("redis://localhost/0?db=0", RedisAddress(hosts=LOCAL)),
        ("redis://localhost?virtual_host=4", RedisAddress(hosts=LOCAL, database=4)),
        ("redis://[::1]:7000/2", RedisAddress(hosts=(("::1", 7_000),), database=2)),
        (
            "redis://will%3Acall:p%40%2Fss%25@host_1/1",
            RedisAddress(hosts=(("host_1", 6_379),), username="will:call", password="p@/ss%", database=1),
        ),
        (
            "redis://localhost?username=a&password=b%26c",
            RedisAddress(hosts=LOCAL, username="a", password="b&c"),
        ),
        (
            "rediss://localhost?ssl_cert_reqs=CERT_NONE",
            RedisAddress(hosts=LOCAL, tls=True, tls_options={"ssl_cert_reqs": "none"}),
        ),
        (
            "rediss://localhost?ssl_cert_reqs=optional&ssl_min_version=772&ssl_check_hostname=No",
            RedisAddress(
                hosts=LOCAL,
                tls=True,
                tls_options={
                    "ssl_cert_reqs": "optional",
                    "ssl_min_version": ssl.TLSVersion.TLSv1_3,
                    "ssl_check_hostname": False,
                },
            ),
        ),
        (
            "redis://localhost?health_check_interval=30&socket_timeout=2.5&socket_keepalive=F&max_connections=50",
            RedisAddress(
                hosts=LOCAL,
                options={
                    "health_check_interval": 30,
                    "socket_timeout": 2.5,
                    "socket_keepalive": False,
                    "max_connections": 50,
                },
            ),
        ),
        (
            "redis://localhost?protocol=2&client_name=ours&retry_on_timeout=True",
            RedisAddress(hosts=LOCAL, options={"protocol": 2, "client_name": "ours", "retry_on_timeout": True}),
        ),
        (
            "unix://user:pw@/run/a%20b.sock?db=2",
            RedisAddress(path="/run/a b.sock", username="user", password="pw", database=2),
        ),
        ("unix:///run/s?password=pw", RedisAddress(path="/run/s", password="pw")),
        ("redis+socket://:pw@/run/s?virtual_host=2", RedisAddress(path="/run/s", password="pw", database=2)),
        (
            "sentinel://willcall:p%40ss@one,[::1]:26380/tickets/3?sentinel_password=o%20ther&sentinel_username=who",
            RedisAddress(
                hosts=(("one", 26_379), ("::1", 26_380)),
                master="tickets",
                database=3,
                username="willcall",
                password="p@ss",
                sentinel_username="who",
                sentinel_password="o ther",
            ),
        ),
        ("sentinel://one/tickets?db=3", RedisAddress(hosts=(("one", 26_379),), master="tickets", database=3)),
        (
            "sentinel://one/tickets?ssl=true&sentinel_ssl=true&ssl_check_hostname=false&protocol=3",
            RedisAddress(
                hosts=(("one", 26_379),),
                master="tickets",
                tls=True,
                sentinel_tls=True,
                options={"protocol": 3},
                tls_options={"ssl_check_hostname": False},
            ),
        ),
    ],
)
def test_an_address_is_read_in_the_words_of_redis_py_and_of_celery(url: str, expected: RedisAddress) -> None:
    assert parse_address(url) == expected


FORM = r"sentinel://host1:26379,host2:26379/mymaster/0"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://host?nonsense=hunter2", "unknown option 'nonsense'; the options are db, "),
        ("redis://host?protocol=hunter2", "protocol must be 2 or 3"),
        ("redis://host?health_check_interval=hunter2", "health_check_interval must be a number of seconds"),
        ("redis://host?health_check_interval=0.001", "health_check_interval must be 0, .* at least 1 s"),
        ("redis://host?socket_timeout=0", "socket_timeout must be above 0 s"),
        ("redis://host?socket_timeout=inf", "socket_timeout must be a number"),
        ("redis://host?socket_keepalive=maybe", "socket_keepalive must be true or false"),
        ("redis://host?max_connections=2", "max_connections must be at least 10"),
        ("redis://host?client_name=a%20b", "client_name must be ASCII without spaces"),
        ("redis://host?retry_on_timeout=false", "retry_on_timeout can only be true"),
        ("redis://host?decode_responses=true", "decode_responses cannot be set"),
        ("redis://host?credential_provider=hunter2", "credential_provider cannot be used"),
        ("redis://host?ssl_ca_certs=/a", "ssl_ca_certs needs a rediss:// address"),
        ("redis://host?ssl=true", "ssl needs a rediss:// address"),
        ("redis://host?sentinel_password=hunter2", "sentinel_password needs a sentinel:// address"),
        ("redis://host?db=one", "db must be a whole number"),
        ("redis://host/1?db=2", "the database is there twice"),
        ("redis://host/1?db=1&virtual_host=2", "the database is there twice"),
        ("redis://host?protocol=2&protocol=3", "protocol is there twice"),
        ("redis://host/1/2", "the path must have the number of a database, or nothing"),
        ("redis://host/hunter2", "the path must have the number of a database, or nothing"),
        ("redis://:hunter2@host?password=hunter3", "password is there twice, with different values"),
        ("redis://hunter%ff:x@host", "the username is not percent-encoded UTF-8"),
        ("redis://host?password=hunter%ff", "the options are not percent-encoded UTF-8"),
        ("redis://hunter..2", "each host must be a name or an address"),
        (f"redis://{64 * 'hunter'}", "each host must be a name or an address"),
        ("redis://hunter%00", "each host must be a name or an address"),
        ("redis://hunter%20", "each host must be a name or an address"),
        ("unix:///hunter%00", "must name a file"),
        (f"unix:///{18 * 'hunter'}", "must not be longer than 103 bytes"),
        ("rediss://host?ssl_ca_path=/hunter2", "ssl_ca_path cannot be read: No such file"),
        ("redis://host:0", "a port from 1 to 65535"),
        ("redis://host:70000", "a port from 1 to 65535"),
        ("redis://[::1", "an IPv6 address stands in brackets"),
        ("redis://::1:6379", "each host must be"),
        ("redis://:hunter/2@host", "write / . # @ as %2F %3F %23 %40"),
        ("redis://:hunter?2@host", "write / . # @ as %2F %3F %23 %40"),
        ("redis://:hunter#2@host", "write / . # @ as %2F %3F %23 %40"),
        ("redis://:12?hunter=2@host", "write / . # @ as %2F %3F %23 %40"),
        ("redis://one:1,two:2/0", f"Redis Cluster cannot be used, and Sentinels are named as {FORM}"),
        ("redis+cluster://one:1", "cannot be a Redis Cluster"),
        ("rediss+cluster://one:1", "cannot be a Redis Cluster"),
        ("valkey://one:1", "redis:// or rediss:// for Valkey too"),
        ("redis+sentinel://one/tickets", f"must name Sentinels as in {FORM}"),
        ("http://redis", "must start with redis://, rediss://, unix://"),
        ("unix://run/redis.sock", "three slashes: unix:///run/redis.sock"),
        ("unix:///", "three slashes"),
        ("unix:///run/s?socket_keepalive=1", "socket_keepalive cannot be used with this kind of address"),
        ("rediss://host?ssl_cert_reqs=hunter2", "ssl_cert_reqs must be required, optional or none"),
        ("rediss://host?ssl_keyfile=/hunter2", "need an ssl_certfile"),
        ("rediss://host?ssl_cert_reqs=none&ssl_check_hostname=true", "ssl_check_hostname needs a certificate"),
        ("rediss://host?ssl_min_version=hunter2", "ssl_min_version must be 771"),
        ("rediss://host?ssl_ca_certs=/hunter2", "ssl_ca_certs cannot be read: No such file"),
        ("rediss://host?ssl_ciphers=hunter2", "ssl_ciphers cannot be used: it has no usable content"),
        ("sentinel://one:26379", "must end with the name of the master"),
        ("sentinel://one:26379/", "must end with the name of the master"),
        ("sentinel://one:26379/0", "must end with the name of the master"),
        ("sentinel://one/tickets;two:26379/0", "must end with the name of the master"),
        ("sentinel://one/tickets/hunter2", "number of a database, or nothing, after the name of the master"),
        ("sentinel://one:hunter2/tickets", "each host must be"),
        ("sentinel://one,,two/tickets", "each host must be"),
        ("sentinel://one:26379;sentinel://two:26379/0", f"all Sentinels in one address: {FORM}"),
        ("sentinel://one/tickets?master_name=hunter2", f"master_name is part of the path: {FORM}"),
        ("sentinel://one/tickets?sentinel_username=who", "sentinel_username needs a sentinel_password"),
        ("sentinel://one/tickets?ssl_ca_certs=/a", "options of TLS need ssl=true, sentinel_ssl=true or both"),
        ("sentinel://one/tickets?max_connections=20", "max_connections cannot be used with this kind"),
    ],
)
@pytest.mark.parametrize("setting", ["redis_url", "broker_url"])
def test_what_cannot_work_is_named_without_any_value(setting: str, url: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({f"WILLCALL_{setting.upper()}": url}, Path("/nonexistent"))
    message = str(caught.value)
    assert re.search(words, message)
    assert message.startswith(f"{setting}: ")
    assert "hunter" not in message


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"protocol .*; socket_timeout .*; .*database.*twice"):
        parse_address("redis://host/1?db=2&protocol=4&socket_timeout=x")


def test_a_key_that_belongs_to_another_certificate_is_named(certificate: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    options = ["genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", key]
    subprocess.run([require_command("openssl"), *options], check=True, capture_output=True)  # noqa: S603 - fixed words
    url = f"rediss://host?ssl_certfile={certificate}"
    load({"WILLCALL_REDIS_URL": url}, Path("/nonexistent"))
    with pytest.raises(ConfigError, match="ssl_certfile with ssl_keyfile cannot be used: key "):
        load({"WILLCALL_REDIS_URL": f"{url}&ssl_keyfile={key}"}, Path("/nonexistent"))


def test_every_password_of_an_address_is_kept_out_of_logs_and_reprs() -> None:
    url = "sentinel://:hun%40ter2@one/tickets/0?sentinel_password=hunter3&ssl=true&ssl_password=hunter4"
    with pytest.raises(ConfigError, match="ssl_certfile"):
        load({"WILLCALL_REDIS_URL": url}, Path("/nonexistent"))
    url = url.replace("&ssl=true&ssl_password=hunter4", "")
    assert {"hun@ter2", "hunter3"} <= secret_values(load({"WILLCALL_REDIS_URL": url}, Path("/nonexistent")))
    assert "hun" not in repr(parse_address(url))
    assert "hun" not in parse_address(url).kombu_url
