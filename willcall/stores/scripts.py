"""Loads the Lua scripts. A line `-- include: NAME` is replaced by the text of `lua/NAME.lua`."""

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis
    from redis.commands.core import Script

_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


@cache
def source(name: str) -> str:
    """The text of one script with its includes."""
    text = files("willcall.stores").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda match: source(match[1]), text)


def load(redis: "Redis", name: str) -> "Script":
    """A callable script; it is sent once and survives a restart of Redis."""
    return redis.register_script(source(name))
