"""Redis behind Sentinels: `sentinel://user:password@host:26379,host:26379/master/0?sentinel_password=...`.

One form for the state and for the messages. What is in front of `@` is for Redis itself.
"""

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

SCHEME = "sentinel"
PORT = 26_379


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """What such a URL says."""

    sentinels: tuple[tuple[str, int], ...]
    master: str
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    #: Of the Sentinels, where they want one.
    sentinel_password: str | None = field(default=None, repr=False)


def is_sentinel(url: str) -> bool:
    """Whether a URL names Sentinels."""
    return url.startswith(f"{SCHEME}://")


def read_url(url: str) -> SentinelUrl:
    """Read a URL. Raises ValueError, in words that repeat none of it."""
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
        raise ValueError("knows no other option than sentinel_password")
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
        port = parts.port or PORT
    except ValueError:
        port = 0
    if not parts.hostname or not port:
        raise ValueError("must name each Sentinel as host or host:port, with commas between")
    return parts.hostname, port
