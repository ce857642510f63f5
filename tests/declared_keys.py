"""Which keys a Lua script uses: those in KEYS, or others too, which the first line of the script has to say.

Dragonfly refuses other keys without that line; Redis, Valkey and KeyDB allow them, and read it as a comment.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from willcall.stores.scripts import source

ROOT = Path(__file__).parents[1]
FLAG = "--!df flags=allow-undeclared-keys\n"

#: A line before a script: each command of it fails if its keys are not in KEYS.
_GUARD = """
local redis = setmetatable({call = function(command, ...)
  local keys = {(...)}
  if command == 'TIME' then keys = {} end
  if command == 'MGET' or command == 'DEL' or command == 'EXISTS' then keys = {...} end
  if command == 'RPOPLPUSH' then keys = {(...), (select(2, ...))} end
  for _, key in ipairs(keys) do
    local declared = false
    for _, other in ipairs(KEYS) do declared = declared or key == other end
    if not declared then error('undeclared key: ' .. key) end
  end
  return redis.call(command, ...)
end}, {__index = redis})
""".replace("\n", " ")

_CALL = re.compile(r"redis\.call\(\s*([^,()]+),\s*([^,)]+)")
_ASSIGNMENT = re.compile(r"^\s*local ([\w, ]+) = (.+)$", re.MULTILINE)


def script_names() -> Iterator[tuple[str, str]]:
    """The package and the name of every script that is run, rather than included in others."""
    included = set()
    found = []
    for package in ("willcall.stores", "workers"):
        for path in sorted((ROOT / package.replace(".", "/") / "lua").glob("*.lua")):
            included |= set(re.findall(r"^-- include: (\w+)$", path.read_text(), re.MULTILINE))
            found.append((package, path.stem))
    return ((package, name) for package, name in found if name not in included)


def makes_keys(text: str) -> bool:
    """Whether a command of a script has a key that the script puts together, or takes from stored data."""
    code = re.sub(r"--.*", "", text)
    made = {
        name.strip()
        for names, value in _ASSIGNMENT.findall(code)
        if ".." in value or "cmsgpack.unpack" in value
        for name in names.split(",")
    }
    return any(".." in key or key.strip() in made for _, key in _CALL.findall(code))


@contextmanager
def guarded_scripts() -> Iterator[None]:
    """Let scripts without the flag fail in this process if they use a key that is not in KEYS."""
    scripts = set(script_names())

    def guarded(package: str, name: str) -> str:
        text = source(package, name)
        return _GUARD + text if (package, name) in scripts and not text.startswith(FLAG) else text

    read: Callable[[str, str], str] = guarded
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("willcall.stores.scripts.source", read)
        patch.setattr("workers.transport.delayed.source", read)
        yield
