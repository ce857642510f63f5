"""Lua scripts. A line `-- include: NAME` is replaced by the text of `NAME.lua` beside it."""

import re
from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from threading import local
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from redis import Redis
    from redis.connection import AbstractConnection, ConnectionPool

_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


@cache
def source(package: str, name: str) -> str:
    """The text of `lua/<name>.lua` in a package, with its includes."""
    text = files(package).joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda match: source(package, match[1]), text)


class Script:
    """A script that is called like a function; it is sent once and survives a restart of Redis.

    Each thread keeps a connection for its scripts: taking one from the pool and all that redis-py does around a
    command would cost more than the command. What the client retries is retried here as well.
    """

    def __init__(self, redis: "Redis", text: str) -> None:
        self._text = text
        self._pool = redis.connection_pool
        #: For pipelines, and for the digest that both share.
        self.registered = redis.register_script(text)
        self._sha = sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], args: Sequence[Any] = ()) -> Any:
        """What the script returns. Raises RedisError."""
        try:
            return self._exchange("EVALSHA", self._sha, len(keys), *keys, *args)
        except NoScriptError:
            return self._exchange("EVAL", self._text, len(keys), *keys, *args)

    def _exchange(self, *command: Any) -> Any:
        connection: Any = _own_connection(self._pool)  # its methods carry no types

        def once() -> Any:
            connection.connect()  # does nothing while connected
            connection.send_command(*command)
            return connection.read_response()

        return connection.retry.call_with_retry(once, lambda _: connection.disconnect())


def load(redis: "Redis", name: str) -> Script:
    """One of the stores' scripts."""
    return Script(redis, source("willcall.stores", name))


_connections: "WeakKeyDictionary[ConnectionPool, local]" = WeakKeyDictionary()


def _own_connection(pool: "ConnectionPool") -> "AbstractConnection":
    """The calling thread's connection, made as the pool makes its own; it is closed with the thread or the pool."""
    threads = _connections.setdefault(pool, local())
    if not hasattr(threads, "connection"):
        threads.connection = pool.connection_class(**pool.connection_kwargs)
    connection: AbstractConnection = threads.connection
    return connection
