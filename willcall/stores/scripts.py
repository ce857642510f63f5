"""Lua scripts, called like functions with named arguments.

A line `-- include: NAME` in a script is replaced by the text of `NAME.lua` beside it.
"""

import json
import re
from collections.abc import Mapping, Sequence
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

#: The arguments of a script by name.
Arguments = Mapping[str, Any]
NO_ARGUMENTS: Arguments = {}

_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


@cache
def source(package: str, name: str) -> str:
    """The text of `lua/<name>.lua` in a package, with its includes."""
    text = files(package).joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda match: source(package, match[1]), text)


def pack_arguments(arguments: Arguments) -> str:
    """Return named arguments as the JSON text that a script decodes: `local args = cjson.decode(ARGV[1])`.

    An argument that is `None` is left out, so that it is `nil` in the script: `cjson.null` would be true there.
    Numbers become doubles, which are exact up to 2^53 (milliseconds are). Longer ones, and ids, must be text.
    """
    present = {name: value for name, value in arguments.items() if value is not None}
    return json.dumps(present, separators=(",", ":"), ensure_ascii=False)


class LuaScript:
    """A script that is called like a function. Redis gets its text once, and again after a restart.

    Each thread keeps a connection for its scripts, because taking one from the pool costs more than the command. Errors
    are retried as the client's own commands are.
    """

    def __init__(self, redis: "Redis", text: str) -> None:
        self._text = text
        self._pool = redis.connection_pool
        #: For pipelines, and for the digest that both share.
        self.registered = redis.register_script(text)
        self._sha = sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], args: Arguments = NO_ARGUMENTS, *, payload: bytes | None = None) -> Any:
        """Return what the script returns. `payload` is `ARGV[2]`: bytes that JSON cannot hold. Raises RedisError."""
        more = () if payload is None else (payload,)
        return self._run([(*self._command(keys, args), *more)])[0]

    def many(self, calls: Sequence[tuple[Sequence[str], Arguments]]) -> list[Any]:
        """Return what the script returns for each (keys, args), in one round trip. Raises RedisError."""
        return self._run([self._command(keys, args) for keys, args in calls])

    def _command(self, keys: Sequence[str], args: Arguments) -> tuple[Any, ...]:
        return ("EVALSHA", self._sha, len(keys), *keys, pack_arguments(args))

    def _run(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
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


def load(redis: "Redis", name: str) -> LuaScript:
    """Return one of the stores' scripts."""
    return LuaScript(redis, source("willcall.stores", name))


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
