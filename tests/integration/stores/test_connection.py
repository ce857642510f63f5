"""How long the clients wait for a Redis that is unavailable."""

import socket
from collections.abc import Iterator

import pytest

from willcall.stores.connection import StoreError, connect
from willcall.stores.scripts import LuaScript


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that accepts connections and never answers, like a stopped process."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        server.setblocking(False)
        yield server


def taken(server: socket.socket) -> int:
    """How many connections were made."""
    for number in range(1_000):
        try:
            connection, _ = server.accept()
        except BlockingIOError:
            return number
        connection.close()
    raise AssertionError


def test_a_silent_server_is_tried_at_least_twice_within_the_timeout(
    silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("willcall.stores.connection.PATIENCE", 0.0)
    port = silent.getsockname()[1]
    client = connect(f"redis://127.0.0.1:{port}/0", patient=True, timeout=0.1)
    with pytest.raises(StoreError):
        LuaScript(client, "return 1")([])
    assert taken(silent) == 2
