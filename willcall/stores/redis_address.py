"""The address of Redis. Both clients are built from it: that of the state, and that of the broker.

- `redis://user:password@host:6379/0?health_check_interval=30`; `rediss://` for TLS.
- `unix://user:password@/run/redis.sock?db=1`, or `redis+socket://`, as Celery writes it.
- `sentinel://user:password@host:26379,host:26379/master/0?sentinel_password=...`. User and password are for Redis.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from willcall.stores.redis_options import (
    DATABASE,
    LOGIN,
    OPTIONS,
    SENTINEL_OPTIONS,
    TLS_OPTIONS,
    Readers,
    read_options,
    tls_errors,
)

PORT, SENTINEL_PORT = 6_379, 26_379
#: That of a socket file on macOS; Linux allows four bytes more.
LONGEST_PATH = 103
SOCKET_SCHEMES = ("unix", "redis+socket")
SCHEMES = ("redis", "rediss", "unix", "redis+socket", "sentinel")

_SENTINEL_FORM = "sentinel://host1:26379,host2:26379/mymaster/0"
_SOCKET_OPTIONS: Readers = {name: reader for name, reader in OPTIONS.items() if name != "socket_keepalive"}
_SENTINEL_OPTIONS: Readers = {
    **{name: reader for name, reader in OPTIONS.items() if name != "max_connections"},
    **TLS_OPTIONS,
    **SENTINEL_OPTIONS,
}
_READERS: Mapping[str, Readers] = {
    scheme: {**DATABASE, **LOGIN, **options}
    for scheme, options in {
        "redis": OPTIONS,
        "rediss": {**OPTIONS, **TLS_OPTIONS},
        "unix": _SOCKET_OPTIONS,
        "redis+socket": _SOCKET_OPTIONS,
        "sentinel": _SENTINEL_OPTIONS,
    }.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """Where Redis is, and how to connect. One of `hosts`, `path` and `master` with `hosts` says where."""

    #: The server, or the Sentinels, with their ports; empty for a socket file.
    hosts: tuple[tuple[str, int], ...] = ()
    path: str | None = None
    master: str | None = None
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    sentinel_tls: bool = False
    #: Further options of connections, in redis-py's words.
    options: Mapping[str, Any] = field(default_factory=dict)
    tls_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __json__(self) -> str:
        """Return what workers tell Flower about their connections, by Celery's remote control."""
        return self.kombu_url

    @property
    def secrets(self) -> Iterator[str]:
        """The passwords."""
        for secret in (self.password, self.sentinel_password, self.tls_options.get("ssl_password")):
            if secret:
                yield secret

    @property
    def kombu_url(self) -> str:
        """The address as kombu and Flower show it: without user and password."""
        if self.path is not None:
            return f"redis+socket://{quote(self.path)}?virtual_host={self.database}"
        # Without the word, kombu warns that it verifies no certificate; the connections are ours.
        verified = f"?ssl_cert_reqs={self.tls_options.get('ssl_cert_reqs', 'required')}"
        scheme, query = ("sentinel", "") if self.master else ("rediss", verified) if self.tls else ("redis", "")
        return ";".join(f"{scheme}://{_netloc(*host)}/{self.database}{query}" for host in self.hosts)


def is_redis(url: str) -> bool:
    """Return whether a URL is one of Redis."""
    return url.partition("://")[0].lower() in SCHEMES


def parse_address(url: str) -> RedisAddress:
    """Return what a URL says. Raises ValueError with everything that is wrong, without any value of it."""
    parts = _split(url)
    scheme = parts.scheme
    errors: list[str] = []
    given = read_options(_query(parts, errors), _READERS[scheme], errors)
    fields: dict[str, Any] = {
        **_read_login(parts, given, errors),
        **_read_place(parts, errors),
        "database": _read_database(parts, given, errors),
        "tls": scheme == "rediss" or given.pop("ssl", False),
        "sentinel_tls": given.pop("sentinel_ssl", False),
        "sentinel_username": given.pop("sentinel_username", None),
        "sentinel_password": given.pop("sentinel_password", None),
        "options": {name: value for name, value in given.items() if name in OPTIONS},
        "tls_options": {name: value for name, value in given.items() if name in TLS_OPTIONS},
    }
    if fields["sentinel_username"] and not fields["sentinel_password"]:
        errors.append("sentinel_username needs a sentinel_password")
    if fields["tls_options"] and not (fields["tls"] or fields["sentinel_tls"]) and scheme == "sentinel":
        errors.append("options of TLS need ssl=true, sentinel_ssl=true or both")
    errors += tls_errors(fields["tls_options"])
    if errors:
        raise ValueError("; ".join(dict.fromkeys(errors)))
    return RedisAddress(**fields)


def _split(url: str) -> SplitResult:
    """Return the parts of a URL that could be one of Redis. Raises ValueError."""
    if ";sentinel://" in url:
        raise ValueError(f"must name all Sentinels in one address: {_SENTINEL_FORM}")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is not a URL: an IPv6 address stands in brackets, as in redis://[::1]:6379/0") from None
    if parts.scheme not in SCHEMES:
        raise ValueError(_unknown_scheme(parts.scheme))
    rest = f"{parts.path}?{parts.query}#{parts.fragment}"
    if parts.fragment or url.endswith("#") or ("@" in rest and "@" not in parts.netloc and ":" in parts.netloc):
        raise ValueError("cannot be read: in a user and a password, write / ? # @ as %2F %3F %23 %40")
    return parts


def _query(parts: SplitResult, errors: list[str]) -> list[tuple[str, str]]:
    try:
        return parse_qsl(parts.query, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        errors.append("the options are not percent-encoded UTF-8")
        return []


def _unknown_scheme(scheme: str) -> str:
    if "cluster" in scheme:
        return "cannot be a Redis Cluster: Willcall needs all keys on one server (docs/redis.md)"
    if "sentinel" in scheme:
        return f"must name Sentinels as in {_SENTINEL_FORM}, with ssl=true and sentinel_ssl=true for TLS"
    if scheme.startswith("valkey"):
        return "must start with redis:// or rediss:// for Valkey too"
    return "must start with " + ", ".join(f"{known}://" for known in SCHEMES)


def _read_login(parts: SplitResult, given: dict[str, Any], errors: list[str]) -> dict[str, str | None]:
    """Return user and password: before the host, or among the options."""
    userinfo = parts.netloc.rpartition("@")[0]
    before: dict[str, str | None] = {}
    for name, text in zip(("username", "password"), userinfo.partition(":")[::2], strict=True):
        try:
            before[name] = unquote(text, errors="strict") or None
        except UnicodeDecodeError:
            errors.append(f"the {name} is not percent-encoded UTF-8")
    for name in LOGIN:
        option = given.pop(name, None)
        if option and before.get(name) not in {None, option}:
            errors.append(f"{name} is there twice, with different values")
        before[name] = before.get(name) or option
    return before


def _read_database(parts: SplitResult, given: dict[str, Any], errors: list[str]) -> int:
    """Return the number of the database: in the path, or among the options."""
    found = [given.pop(name) for name in DATABASE if name in given]
    if parts.scheme not in SOCKET_SCHEMES:
        path = parts.path.strip("/")
        text = path.partition("/")[2] if parts.scheme == "sentinel" else path
        if text and not re.fullmatch(r"[0-9]{1,9}", text):
            errors.append("the path must have the number of a database, or nothing" + _after_master(parts.scheme))
        elif text:
            found.append(int(text))
    if len(set(found)) > 1:
        errors.append("the database is there twice, with different numbers")
    return found[0] if found else 0


def _after_master(scheme: str) -> str:
    return ", after the name of the master" if scheme == "sentinel" else ""


def _read_place(parts: SplitResult, errors: list[str]) -> dict[str, Any]:
    """Return the socket file, the server, or the Sentinels and the name of their master."""
    hosts = parts.netloc.rpartition("@")[2]
    if parts.scheme in SOCKET_SCHEMES:
        path = unquote(parts.path)
        if hosts or not path.strip("/") or "\0" in path:
            errors.append("must name a file, with three slashes: unix:///run/redis.sock")
        elif len(os.fsencode(path)) > LONGEST_PATH:
            errors.append(f"the name of a socket file must not be longer than {LONGEST_PATH} bytes")
        return {"path": path}
    if parts.scheme == "sentinel":
        master, _, database = parts.path.removeprefix("/").partition("/")
        if not re.fullmatch(r"[\w.-]+", master, re.ASCII) or (master.isdecimal() and not database):
            errors.append(f"must end with the name of the master, as in {_SENTINEL_FORM}")
        return {"master": master, "hosts": tuple(_read_host(each, SENTINEL_PORT, errors) for each in hosts.split(","))}
    if "," in hosts:
        errors.append(
            f"must name one server: Redis Cluster cannot be used, and Sentinels are named as {_SENTINEL_FORM}"
        )
        return {}
    return {"hosts": (_read_host(hosts or "localhost", PORT, errors),)}


def _read_host(text: str, default_port: int, errors: list[str]) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([\w:.%]+)\]|([\w.%-]+))(?::([0-9]{0,5}))?", text)
    port = int(match[3] or default_port) if match else 0
    host = unquote(match[1] or match[2]) if match else ""
    if not (0 < port < 65_536 and _is_host(host)):  # noqa: PLR2004 - the highest port
        errors.append("each host must be a name or an address, with a port from 1 to 65535 or none")
    return host, port


def _is_host(text: str) -> bool:
    """Return whether a name can be looked up at all."""
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return text.isprintable() and " " not in text


def _netloc(host: str, port: int) -> str:
    host = quote(host, safe=":")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
