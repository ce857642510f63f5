"""Lua scripts, called like functions with named arguments.

A line `-- include: NAME` in a script is replaced by the text of `NAME.lua` beside it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

from willcall.stores.redis_internals import run_commands

if TYPE_CHECKING:
    from redis import Redis

#: The arguments of a script by name.
Arguments = Mapping[str, Any]
NO_ARGUMENTS: Arguments = {}

_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


@cache
def source(package: str, name: str) -> str:
    """Return the text of `lua/<name>.lua` in a package, with its includes."""
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

    Each thread keeps a connection for its scripts, because taking one from the pool costs more than the command.
    """

    def __init__(self, redis: "Redis", text: str) -> None:
        self._text = text
        self._pool = redis.connection_pool
        #: For pipelines.
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
            return run_commands(self._pool, commands)
        except NoScriptError:
            return run_commands(self._pool, [("SCRIPT", "LOAD", self._text), *commands])[1:]


def load(redis: "Redis", name: str) -> LuaScript:
    """Return one of the stores' scripts."""
    return LuaScript(redis, source("willcall.stores", name))
