"""The guard around the scripts of all integration tests, which fails on keys that are not declared."""

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from tests.declared_keys import script_names
from willcall.stores import scripts
from willcall.stores.scripts import LuaScript


def test_a_key_that_is_not_declared_fails_every_test_here(redis: Redis) -> None:
    guard = scripts.source("willcall.stores", "check_writes").partition("-- Write")[0]
    assert "undeclared key" in guard
    LuaScript(redis, f"{guard}return redis.call('MGET', KEYS[1], KEYS[2])")(["a", "b"])
    for call in ("'GET', 'c'", "'DEL', KEYS[1], 'c'", "'RPOPLPUSH', KEYS[1], 'c'"):
        with pytest.raises(ResponseError, match="undeclared key: c"):
            LuaScript(redis, f"{guard}return redis.call({call})")(["a", "b"])
    texts = [scripts.source(package, name) for package, name in script_names()]
    assert all(text.startswith(("--!df", guard)) for text in texts)
