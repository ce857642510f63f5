"""How many requests of a kind run at once."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from willcall.api.middleware import MAX_SLOW, RequestMiddleware


class Server:
    """An application whose requests take until `over`."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.middleware = RequestMiddleware(self._answer, lambda: None)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if scope["path"] != "/v1/orders":
            await self.over.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def call(self, path: str) -> int:
        statuses: list[int] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if "status" in message:
                statuses.append(message["status"])

        await self.middleware({"type": "http", "method": "POST", "path": path, "headers": []}, receive, send)
        return statuses[0]


@pytest.mark.parametrize("path", ["/v1/look", "/v1/trigger", "/v1/redeliveries"])
def test_slow_calls_leave_most_threads_to_others(path: str) -> None:
    async def run() -> None:
        server = Server()
        slow = [asyncio.create_task(server.call(path)) for _ in range(MAX_SLOW)]
        await asyncio.sleep(0)
        assert await server.call("/v1/trigger") == 503
        assert await server.call("/v1/orders") == 200
        server.over.set()
        assert await asyncio.gather(*slow) == [200] * MAX_SLOW
        assert await server.call(path) == 200

    asyncio.run(run())
