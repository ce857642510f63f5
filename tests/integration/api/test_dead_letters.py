"""Dead letters over the API and on the board: they can be listed, requeued and cleared."""

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.api.conftest import OPERATOR_KEY, Running, problem
from tests.integration.api.operator import Operator, words
from tests.integration.test_dead_letters import ENVELOPE
from willcall.stores.dead_letters import LONGEST, DeadLetterReason, DeadLetterStore

if TYPE_CHECKING:
    from redis import Redis

READABLE = json.dumps(ENVELOPE).encode()


@pytest.fixture
def letters(redis: "Redis") -> DeadLetterStore:
    return DeadLetterStore(redis)


def test_the_api_lists_dead_letters_in_pages(api: Running, letters: DeadLetterStore) -> None:
    for number in range(3):
        letters.add("willcall", DeadLetterReason.UNREADABLE, f"{number}".encode())
    first = api.get("/v1/dead-letters?limit=2", key=OPERATOR_KEY).json()
    second = api.get(f"/v1/dead-letters?limit=2&cursor={first['next_cursor']}", key=OPERATOR_KEY).json()
    assert [item["raw"] for item in first["items"] + second["items"]] == ["2", "1", "0"]
    assert second["next_cursor"] is None
    assert api.get("/v1/dead-letters?cursor=0-0", key=OPERATOR_KEY).json() == {"items": [], "next_cursor": None}
    assert first["items"][0]["reason"] == "unreadable"


def test_the_api_requeues_a_dead_letter_and_logs_it(api: Running, letters: DeadLetterStore, redis: "Redis") -> None:
    letters.add("willcall.notify", DeadLetterReason.UNKNOWN_TASK, READABLE)
    [letter] = letters.newest()
    answer = api.post(f"/v1/dead-letters/{letter.id}/requeue", key=OPERATOR_KEY)
    assert (answer.status_code, answer.json()["queue"]) == (202, "willcall.notify")
    assert redis.llen("willcall.notify\x06\x163") == 1
    assert letters.count() == 0
    [line] = [json.loads(line) for line in api.log.splitlines() if "dead letter requeued" in line]
    assert (line["id"], line["queue"], line["by"]) == (letter.id, "willcall.notify", "an operator")
    problem(api.post(f"/v1/dead-letters/{letter.id}/requeue", key=OPERATOR_KEY), 404, "not-found")


def test_the_api_rejects_a_dead_letter_that_cannot_be_requeued(api: Running, letters: DeadLetterStore) -> None:
    letters.add("willcall", DeadLetterReason.UNREADABLE, b"no message")
    letters.add("willcall", DeadLetterReason.TOO_LARGE, b"x" * (LONGEST + 1))
    for letter in letters.newest():
        problem(api.post(f"/v1/dead-letters/{letter.id}/requeue", key=OPERATOR_KEY), 409, "closed")
    problem(api.post("/v1/dead-letters/nonsense/requeue", key=OPERATOR_KEY), 404, "not-found")
    assert letters.count() == 2


def test_the_api_clears_dead_letters(api: Running, letters: DeadLetterStore) -> None:
    letters.add("willcall", DeadLetterReason.UNREADABLE, b"x")
    assert api.call("DELETE", "/v1/dead-letters", key=OPERATOR_KEY).json() == {"cleared": 1}
    assert api.call("DELETE", "/v1/dead-letters", key=OPERATOR_KEY).json() == {"cleared": 0}


def test_without_a_key_no_dead_letter_is_shown_or_changed(api: Running, letters: DeadLetterStore) -> None:
    letters.add("willcall", DeadLetterReason.UNREADABLE, b"x")
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", f"/{letters.newest()[0].id}/requeue")):
        problem(api.call(method, f"/v1/dead-letters{path}", key=None), 401, "unauthorized")
    assert letters.count() == 1


def test_the_board_shows_and_requeues_dead_letters(api: Running, letters: DeadLetterStore) -> None:
    operator = Operator(api)
    assert "could not be processed" not in words(operator.get("/"))
    letters.add("willcall", DeadLetterReason.UNKNOWN_TASK, READABLE)
    letters.add("<b>", DeadLetterReason.UNREADABLE, b"no message")
    odd, good = letters.newest()
    operator.post("/accounts/tiqets/default/resume", back="/")  # the board reads anew
    front = operator.get("/")
    assert "2 messages could not be processed" in words(front)
    assert 'href="/dead-letters"' in front.text
    assert "names a task that does not exist" in words(operator.get("/dead-letters"))
    assert '<td data-label="Queue">&lt;b&gt;</td>' in operator.get("/dead-letters").text
    for letter, notice in ((good, "The message was requeued to willcall."), (odd, "cannot be requeued")):
        sent = operator.post(f"/dead-letters/{letter.id}/requeue", back="/dead-letters")
        assert (sent.status_code, sent.headers["Location"]) == (303, "/dead-letters")
        assert notice in words(operator.get("/dead-letters"))
    assert [letter.id for letter in letters.newest()] == [odd.id]


def test_the_board_clears_dead_letters(api: Running, letters: DeadLetterStore) -> None:
    operator = Operator(api)
    letters.add("willcall", DeadLetterReason.UNREADABLE, b"no message")
    operator.post("/dead-letters/clear", back="/dead-letters")
    shown = words(operator.get("/dead-letters"))
    assert "1 dead letter deleted." in shown
    assert "1 dead letter deleted. Dead letters No dead letters." in shown
    assert '"by": "board"' in api.log


def test_another_site_cannot_clear_dead_letters(api: Running, letters: DeadLetterStore) -> None:
    letters.add("willcall", DeadLetterReason.UNREADABLE, b"no message")
    sent = Operator(api).post("/dead-letters/clear", headers={"Sec-Fetch-Site": "cross-site"}, back="/")
    assert sent.status_code == 403
    assert letters.count() == 1
