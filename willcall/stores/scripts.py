"""Lua scripts. A line `-- include: NAME` is replaced by the text of `NAME.lua` beside it."""

import re
from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from threading import local
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from redis.exceptions import NoScriptError, ResponseError

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
        return self.many([(keys, args)])[0]

    def many(self, calls: Sequence[tuple[Sequence[str], Sequence[Any]]]) -> list[Any]:
        """What the script returns for each (keys, args), in one round trip. Raises RedisError."""
        commands = [("EVALSHA", self._sha, len(keys), *keys, *args) for keys, args in calls]
        try:
            return self._exchange(commands)
        except NoScriptError:
            return self._exchange([("SCRIPT", "LOAD", self._text), *commands])[1:]

    def _exchange(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The replies to all commands. Raises the first error, when all have been read."""
        connection: Any = _own_connection(self._pool)  # its methods carry no types

        def once() -> list[Any]:
            connection.send_packed_command(connection.pack_commands(commands))
            return [_reply(connection) for _ in commands]

        connection.connect()  # does nothing while connected; retries by itself, which must not be multiplied
        replies: list[Any] = connection.retry.call_with_retry(once, lambda _: connection.disconnect())
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies


def load(redis: "Redis", name: str) -> Script:
    """One of the stores' scripts."""
    return Script(redis, source("willcall.stores", name))


_connections: "WeakKeyDictionary[ConnectionPool, local]" = WeakKeyDictionary()


def _reply(connection: Any) -> Any:
    """One reply; an error is returned, for others come after it."""
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def _own_connection(pool: "ConnectionPool") -> "AbstractConnection":
    """The calling thread's connection, made as the pool makes its own; it is closed with the thread or the pool."""
    threads = _connections.setdefault(pool, local())
    if not hasattr(threads, "connection"):
        threads.connection = pool.connection_class(**pool.connection_kwargs)
    connection: AbstractConnection = threads.connection
    return connection
