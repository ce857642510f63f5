import asyncio

import pytest
from structlog.testing import capture_logs

from willcall.api.board import stream
from willcall.api.board.stream import Fragments, PageUpdates, UpdateStreams
from willcall.stores.connection import StoreError


def test_a_redis_outage_and_its_end_are_logged_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "REFRESH_INTERVAL", 0.0)
    turns = iter([False, True, True, True, False, False, True, True])

    def look() -> Fragments:
        turn = next(turns, None)
        if turn is None:
            raise asyncio.CancelledError
        if turn:
            raise StoreError
        return {"status": "healthy"}

    async def watched() -> None:
        channel = PageUpdates(look)
        await asyncio.gather(channel.task, return_exceptions=True)

    with capture_logs() as logged:
        asyncio.run(watched())
    assert [line["event"] for line in logged] == ["redis unavailable", "redis available again", "redis unavailable"]


def test_a_stream_ends_with_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT", 0.001)
    answers = iter([True, StoreError(), True, False])

    async def allowed() -> bool:
        answer = next(answers)
        if isinstance(answer, StoreError):
            raise answer
        return answer

    async def watched() -> list[bytes]:
        return [event async for event in UpdateStreams().watch("", dict, allowed)]

    assert asyncio.run(asyncio.wait_for(watched(), 60))[0].startswith(b"retry")
    assert list(answers) == []


def test_an_unchanged_page_gets_keep_alive_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT", 0.001)

    async def allowed() -> bool:
        return True

    async def watched() -> list[bytes]:
        events = UpdateStreams().watch("", lambda: {"status": "healthy"}, allowed)
        return [await anext(events) for _ in range(3)]

    _, first, then = asyncio.run(asyncio.wait_for(watched(), 60))
    assert first.startswith(b'data: {"status": "healthy"')
    assert then == b"data: {}\n\n"
