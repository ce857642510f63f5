"""Scripts on a thread's own connection: many calls at once."""

import pytest
from redis.exceptions import ResponseError

from tests.integration.stores.conftest import Desk
from willcall.stores.scripts import Script

TEXT = "if ARGV[1] == 'bad' then return redis.error_reply('ERR bad') end return ARGV[1]"


def test_each_call_has_its_own_reply(desk: Desk) -> None:
    assert Script(desk.redis, TEXT).many([([], [str(number)]) for number in range(3)]) == ["0", "1", "2"]
    assert Script(desk.redis, TEXT).many([]) == []


def test_scripts_that_redis_forgot_are_sent_again(desk: Desk) -> None:
    script = Script(desk.redis, TEXT)
    for _ in range(2):
        desk.redis.script_flush()
        assert script.many([([], ["a"]), ([], ["b"])]) == ["a", "b"]


def test_an_error_between_replies_leaves_none_behind(desk: Desk) -> None:
    script = Script(desk.redis, TEXT)
    with pytest.raises(ResponseError, match="bad"):
        script.many([([], ["a"]), ([], ["bad"]), ([], ["b"])])
    assert script([], ["next"]) == "next"
