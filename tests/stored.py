"""All that a deployment stores, searched byte by byte."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis import Redis


def everything(redis: "Redis", folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all that is stored: each key by its name with all that it holds, and each file.

    The connection need not decode responses: what workers keep is not all text.
    """
    readers: dict[str, Callable[[str], Any]] = {
        "string": redis.get,
        "hash": redis.hgetall,
        "list": lambda key: redis.lrange(key, 0, -1),
        "set": redis.smembers,
        "zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        "stream": redis.xrange,
        "none": lambda _: None,  # it has expired since
    }
    for key in redis.scan_iter():
        kind = redis.type(key)
        read = readers[kind.decode() if isinstance(kind, bytes) else kind]
        yield str(key), f"{key} {read(key)!r}".encode()
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.name.encode() + path.read_bytes()


def traces(redis: "Redis", folder: Path, marks: tuple[str, ...]) -> list[str]:
    """Return where a mark is found, as it is or in base64."""
    forms = [form for mark in marks for form in (mark.encode(), *_base64(mark))]
    return [name for name, content in everything(redis, folder) for form in forms if form in content]


def _base64(mark: str) -> list[bytes]:
    """Return what a text is in base64, wherever it begins in what was encoded."""
    return [b64encode(b"x" * shift + mark.encode())[4 * bool(shift) : -4] for shift in range(3)]
