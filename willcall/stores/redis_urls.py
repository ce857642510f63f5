"""The two forms of a Redis address: one server, with options, or Sentinels.

- `redis://host/0?health_check_interval=30`. Two libraries read it: redis-py for the state and kombu for the messages.
  Each has its own options and reports unknown ones late. So only options that both support are accepted here.
- `sentinel://user:password@host:26379,host:26379/master/0?sentinel_password=...`. User and password are for Redis.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

SENTINEL_SCHEME = "sentinel"
SENTINEL_PORT = 26_379


def _boolean(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]


#: How to read the value of each option.
OPTIONS: dict[str, Callable[[str], Any]] = {
    "health_check_interval": float,
    "socket_timeout": float,
    "socket_connect_timeout": float,
    "socket_keepalive": _boolean,
    "max_connections": int,
    "client_name": str,
}
#: Options of TLS, which both libraries read from a `rediss://` URL themselves.
TLS_OPTIONS = frozenset({"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"})


def check_options(url: str) -> None:
    """Raise ValueError for options that cannot be used. The message repeats no value."""
    parts = urlsplit(url)
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in TLS_OPTIONS:
            if parts.scheme != "rediss":
                raise ValueError(f"{name} needs a rediss:// URL")
        elif name in {"db", "virtual_host"}:
            if not value.isdecimal():
                raise ValueError(f"{name} must be the number of a database")
        elif name not in OPTIONS:
            names = ", ".join([*OPTIONS, *sorted(TLS_OPTIONS)])
            raise ValueError(f"unknown option {name!r}; the options are db, {names}")
        else:
            try:
                OPTIONS[name](value)
            except (ValueError, LookupError):
                raise ValueError(f"the value of {name} cannot be read") from None


def for_kombu(url: str) -> tuple[str, dict[str, Any]]:
    """Return a URL as kombu reads it, and its options as kombu's transport options."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    options = {name: OPTIONS[name](value) for name, value in given.items() if name in OPTIONS}
    left = {name: value for name, value in given.items() if name in TLS_OPTIONS}
    database = given.get("db") or given.get("virtual_host")
    bare = url.partition("?")[0]
    if database and parts.scheme.endswith("+socket"):
        left["virtual_host"] = database
    elif database:
        bare = f"{parts.scheme}://{parts.netloc}/{database}"
    return f"{bare}?{urlencode(left, safe='/')}" if left else bare, options


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """The parts of an address that names Sentinels. `sentinel_password` is the Sentinels' own."""

    sentinels: tuple[tuple[str, int], ...]
    master: str
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)


def is_sentinel(url: str) -> bool:
    """Return whether a URL names Sentinels."""
    return url.startswith(f"{SENTINEL_SCHEME}://")


def read_sentinel_url(url: str) -> SentinelUrl:
    """Return the parts of a URL. Raises ValueError with a message that repeats none of it."""
    parts = urlsplit(url)
    credentials, _, addresses = parts.netloc.rpartition("@")
    username, _, password = map(unquote, credentials.partition(":"))
    master, _, database = parts.path.removeprefix("/").partition("/")
    if not master:
        raise ValueError("must end with the name of the master, as in sentinel://host1:26379,host2:26379/mymaster/0")
    if not (database or "0").isdecimal():
        raise ValueError("must have the number of a database, or nothing, after the name of the master")
    query = parse_qs(parts.query)
    if set(query) - {"sentinel_password"}:
        raise ValueError("unknown option; the only one is sentinel_password")
    return SentinelUrl(
        sentinels=tuple(map(_address, addresses.split(","))),
        master=unquote(master),
        database=int(database or "0"),
        username=username or None,
        password=password or None,
        sentinel_password=query.get("sentinel_password", [None])[0],
    )


def _address(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    try:
        port = parts.port or SENTINEL_PORT
    except ValueError:
        port = 0
    if not parts.hostname or not port:
        raise ValueError("must name each Sentinel as host or host:port, with commas between")
    return parts.hostname, port
