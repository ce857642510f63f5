"""Any accepted address of Redis builds two clients that connect in the same way, as the address says."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from hypothesis import given
from hypothesis import strategies as st

from willcall.stores.connection import connect
from willcall.stores.redis_address import SCHEMES, parse_address
from workers.broker import celery_app

if TYPE_CHECKING:
    from redis import Redis

    from workers.transport.channel import Channel

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20)
HOSTS = st.sampled_from(["redis", "a_b", "10.0.0.1", "::1", "fe80::1%eth0", "redis.example.org"])
PORTS = st.integers(1, 65_535)
DATABASES = st.integers(0, 99)
BOOLEANS = {True: ["true", "1", "Yes", "T"], False: ["false", "0", "No", "F"]}


def spell(value: bool) -> st.SearchStrategy[tuple[bool, str]]:  # noqa: FBT001 - a value
    return st.sampled_from([(value, text) for text in BOOLEANS[value]])


#: Each option with its values, as (what it means, how it is written).
OPTIONS: dict[str, st.SearchStrategy[tuple[Any, str]]] = {
    "health_check_interval": st.integers(1, 90).map(lambda n: (n, str(n))),
    "socket_timeout": st.floats(0.001, 90).map(lambda n: (n, str(n))),
    "socket_connect_timeout": st.integers(1, 90).map(lambda n: (n, str(n))),
    "protocol": st.integers(2, 3).map(lambda n: (n, str(n))),
    "client_name": st.from_regex(r"\A[!-~]{1,10}\Z").map(lambda name: (name, name)),
}
TCP = {"socket_keepalive": st.booleans().flatmap(spell)}
DIRECT = {"max_connections": st.integers(10, 99).map(lambda n: (n, str(n)))}
TLS: dict[str, st.SearchStrategy[tuple[Any, str]]] = {
    "ssl_cert_reqs": st.sampled_from(
        [(word, text) for word in ("required", "optional") for text in (word, f"CERT_{word.upper()}")]
    ),
    "ssl_ca_certs": TEXT.map(lambda path: (path, path)),
    "ssl_certfile": TEXT.map(lambda path: (path, path)),
    "ssl_check_hostname": st.booleans().flatmap(spell),
}


@st.composite
def addresses(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A URL, and how connections have to be made."""
    scheme = draw(st.sampled_from(["redis", "rediss", "unix", "redis+socket", "sentinel"]))
    socket_file = scheme in {"unix", "redis+socket"}
    kinds = {
        "redis": OPTIONS | TCP | DIRECT,
        "rediss": OPTIONS | TCP | DIRECT | TLS,
        "sentinel": OPTIONS | TCP,
    }
    options = draw(st.fixed_dictionaries({}, optional=kinds.get(scheme, OPTIONS | DIRECT)))
    database = draw(DATABASES)
    username, password = draw(st.none() | TEXT), draw(st.none() | TEXT)
    expected = {"db": database, "username": username, "password": password}
    expected |= {name: value for name, (value, _) in options.items()}
    query = {name: text for name, (_, text) in options.items()}
    login = ""
    if draw(st.booleans()):
        query |= {name: value for name, value in (("username", username), ("password", password)) if value}
    elif username or password:
        login = f"{quote(username or '', '')}:{quote(password or '', '')}@"
    path = ""
    if socket_file or draw(st.booleans()):
        query[draw(st.sampled_from(["db", "virtual_host"]))] = str(database)
    else:
        path = f"/{database}"
    if socket_file:
        place, expected["path"] = "/run/s", "/run/s"
    elif scheme == "sentinel":
        place = "one,two:7/mymaster"
    else:
        expected["host"], expected["port"] = draw(HOSTS), draw(PORTS)
        host = quote(expected["host"], ":")
        place = f"[{host}]" if ":" in host else host
        place += f":{expected['port']}"
    return f"{scheme}://{login}{place}{path}?{urlencode(query)}", expected


def broker_options(url: str) -> tuple[type, dict[str, Any]]:
    """The class and the options of the connections that the broker's channel would make."""
    connection = celery_app(url, ["willcall"]).connection()
    channel: Channel = object.__new__(connection.transport.Channel)
    channel.connection = connection.transport
    for name in channel.from_transport_options:
        if name in connection.transport_options:
            setattr(channel, name, connection.transport_options[name])
    options = channel._connparams()  # noqa: SLF001 - what kombu calls
    return options.pop("connection_class"), options


@given(addresses())
def test_both_clients_connect_as_the_address_says(address: tuple[str, dict[str, Any]]) -> None:
    url, expected = address
    client: Redis = connect(url)
    pool = client.connection_pool
    theirs = {**pool.connection_kwargs, "max_connections": pool.max_connections}
    broker_class, ours = broker_options(url)
    assert {name: theirs.get(name) for name in expected} == expected
    assert {name: ours.get(name) for name in expected} == expected
    assert broker_class is pool.connection_class
    only_theirs = {"decode_responses", "retry", "connection_pool", "connection_class"}
    defaults = {"max_connections", "health_check_interval"} - expected.keys()
    common = theirs.keys() - only_theirs - defaults
    assert {name: theirs[name] for name in common if name in ours} == {
        name: ours[name] for name in ours if name in common
    }
    sentinels = {"host", "port"} if "host" not in theirs else set()  # kombu takes them out
    assert common >= ours.keys() - defaults - sentinels


PIECES = st.sampled_from(
    [
        "redis://",
        "unix://",
        "sentinel://",
        ":",
        "@",
        "/",
        "?",
        "&",
        "=",
        "%",
        ";",
        "#",
        "[",
        "]",
        "[::1]",
        "db",
        "99999999999",
    ]
)


@given(st.sampled_from(SCHEMES), st.lists(PIECES | TEXT | st.text(max_size=5), max_size=12))
def test_any_text_is_an_address_or_is_refused_with_words(scheme: str, pieces: list[str]) -> None:
    url = f"{scheme}://{''.join(pieces)}"
    refused: ValueError | None = None
    try:
        address = parse_address(url)
    except ValueError as error:
        refused = error
    if refused:
        assert (type(refused), bool(str(refused))) == (ValueError, True)
    else:
        assert address.kombu_url
        assert connect(url)
