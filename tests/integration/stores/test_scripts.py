"""Lua scripts: named arguments, many calls at once, a connection per thread."""

import gc
import weakref

import pytest
from redis.exceptions import ResponseError

from tests.integration.stores.conftest import StoreHarness
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.stores.connection import connect
from willcall.stores.scripts import LuaScript

TEXT = """
local args = cjson.decode(ARGV[1])
if args.word == 'bad' then return redis.error_reply('ERR bad') end
return args.word
"""


def test_each_call_gets_its_own_reply(harness: StoreHarness) -> None:
    assert LuaScript(harness.redis, TEXT).many([([], {"word": str(number)}) for number in range(3)]) == ["0", "1", "2"]
    assert LuaScript(harness.redis, TEXT).many([]) == []


def test_scripts_that_redis_forgot_are_sent_again(harness: StoreHarness) -> None:
    script = LuaScript(harness.redis, TEXT)
    for _ in range(2):
        harness.redis.script_flush()
        assert script.many([([], {"word": "a"}), ([], {"word": "b"})]) == ["a", "b"]


def test_an_error_between_replies_leaves_none_behind(harness: StoreHarness) -> None:
    script = LuaScript(harness.redis, TEXT)
    with pytest.raises(ResponseError, match="bad"):
        script.many([([], {"word": "a"}), ([], {"word": "bad"}), ([], {"word": "b"})])
    assert script([], {"word": "next"}) == "next"


def test_arguments_arrive_by_name_and_exactly(harness: StoreHarness) -> None:
    arguments = {"text": 'é\0"', "count": 2**53 - 1, "share": 0.1, "names": [], "flag": False, "absent": None}
    script = LuaScript(
        harness.redis,
        """
        local args = cjson.decode(ARGV[1])
        return {args.text, args.count, string.format('%.17g', args.share), #args.names, tostring(args.flag),
          tostring(args.absent)}
        """,
    )
    assert script([], arguments) == ['é\0"', 2**53 - 1, f"{0.1:.17g}", 0, "false", "nil"]


def test_bytes_go_beside_the_named_arguments(harness: StoreHarness) -> None:
    script = LuaScript(harness.redis, "return {cjson.decode(ARGV[1]).at, #ARGV[2]}")
    assert script([], {"at": 5}, payload=b"\xff\0") == [5, 2]


def test_the_connection_of_a_thread_ends_with_its_client(redis_server: EmbeddedRedis) -> None:
    client = connect(redis_server.url)
    assert LuaScript(client, TEXT)([], {"word": "a"}) == "a"
    pool = weakref.ref(client.connection_pool)
    client.close()
    del client
    gc.collect()
    assert pool() is None
