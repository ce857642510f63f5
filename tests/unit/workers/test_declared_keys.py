"""Lua scripts use the keys in KEYS, or say in their first line that they use others too."""

import pytest

from tests.declared_keys import FLAG, makes_keys, script_names
from willcall.stores.scripts import source

SCRIPTS = list(script_names())


@pytest.mark.parametrize(("package", "name"), SCRIPTS, ids=[name for _, name in SCRIPTS])
def test_a_script_that_makes_keys_says_so_and_no_other(package: str, name: str) -> None:
    text = source(package, name)
    assert text.startswith(FLAG) == makes_keys(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis.call('GET', KEYS[1])", False),
        ("local ORDER = unpack(KEYS)\nredis.call('GET', ORDER)", False),
        ("redis.call('GET', KEYS[1] .. 'x')", True),
        ("local key = KEYS[1] .. ':' .. id\nredis.call('HGET', key, 'a')", True),
        ("local list, message = cmsgpack.unpack(claim)\nredis.call('RPUSH', list, message)", True),
    ],
)
def test_keys_that_a_script_makes_are_found(text: str, expected: bool) -> None:  # noqa: FBT001 - a value
    assert makes_keys(text) == expected
