"""Options in the query of a Redis URL, such as `redis://host/0?health_check_interval=30`.

Two libraries read the same address: redis-py for the state, kombu for the messages. Each has options of its own, and
fails late over one that it does not know. So those that mean the same to both are named here.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit


def _switch(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]


#: How the value of each option is read.
OPTIONS: dict[str, Callable[[str], Any]] = {
    "health_check_interval": float,
    "socket_timeout": float,
    "socket_connect_timeout": float,
    "socket_keepalive": _switch,
    "max_connections": int,
    "client_name": str,
}
#: Options of TLS, which both libraries read from a `rediss://` URL by themselves.
TLS = frozenset({"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"})


def check_options(url: str) -> None:
    """Raise ValueError for options that cannot be used; the message repeats no value."""
    parts = urlsplit(url)
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in TLS:
            if parts.scheme != "rediss":
                raise ValueError(f"{name} takes a rediss:// URL")
        elif name in {"db", "virtual_host"}:
            if not value.isdecimal():
                raise ValueError(f"{name} must be the number of a database")
        elif name not in OPTIONS:
            raise ValueError(f"knows no option {name!r}; there is db, {', '.join([*OPTIONS, *sorted(TLS)])}")
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
    left = {name: value for name, value in given.items() if name in TLS}
    database = given.get("db") or given.get("virtual_host")
    bare = url.partition("?")[0]
    if database and parts.scheme.endswith("+socket"):
        left["virtual_host"] = database
    elif database:
        bare = f"{parts.scheme}://{parts.netloc}/{database}"
    return f"{bare}?{urlencode(left, safe='/')}" if left else bare, options
