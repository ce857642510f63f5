"""What the tests of the client alone share. They run without the server, on each Python that the client supports."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from blocking_client import CLIENTS
from hypothesis import HealthCheck, settings
from in_memory import Clock, Server

from willcall_client import Client, async_client, client, feed

URL = "http://willcall.test"

# As in tests/, for a run of these tests alone.
settings.register_profile(
    "willcall",
    max_examples=30,
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("willcall")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (client, async_client, feed):
        monkeypatch.setattr(module, "time", clock)
    for module in (async_client, feed):
        # Only for this module: the loops of servers in other threads sleep too.
        monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=clock.sleep_async))
    return clock


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(params=CLIENTS)
def connect(request: pytest.FixtureRequest, server: Server, clock: Clock) -> Iterator[Callable[..., Client]]:  # noqa: ARG001 - no test waits
    """Opens clients of one kind, connected to the server in memory."""
    with ExitStack() as opened:

        def connected(url: str = URL, key: "str | None" = "key", **options: Any) -> Client:
            options = {"transport": httpx.MockTransport(server.answer)} | options
            return opened.enter_context(CLIENTS[request.param](url, key, **options))

        yield connected
