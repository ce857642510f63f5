"""A real HTTP proxy on loopback, as a script of `tests.scripted_server`: CONNECT, and forwarded requests."""

import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterable
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector

from tests.scripted_server import Server, whole

Script = Callable[[Server, socket.socket], None]

REJECTED = whole(b"who are you?", "407 Proxy Authentication Required", "Proxy-Authenticate: Basic")


def proxying(*, login: str | None = None, known: dict[str, int] | None = None) -> Script:
    """Connect wherever a client wants; to ports of this machine for the targets in `known`.

    `login`: the `user:password` that is required.
    """
    expected = login and f"Proxy-Authorization: Basic {b64encode(login.encode()).decode()}"

    def script(server: Server, connection: socket.socket) -> None:
        head, _, body = server.hear(connection).partition(b"\r\n\r\n")
        request, *headers = head.decode().split("\r\n")
        if expected and expected not in headers:
            connection.sendall(REJECTED)
            return
        method, target, version = request.split(" ")
        forwarded = method != "CONNECT"
        authority, _, path = target.removeprefix("http://").partition("/")
        port = (known or {}).get(authority)
        host, _, given = authority.rpartition(":")
        with socket.create_connection(("127.0.0.1" if port else host.strip("[]"), port or int(given))) as onward:
            if forwarded:
                kept = [line for line in headers if not line.startswith("Proxy-")]
                onward.sendall("\r\n".join([f"{method} /{path} {version}", *kept, "", ""]).encode() + body)
            else:
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _relay(connection, onward)

    return script


def _relay(client: socket.socket, server: socket.socket) -> None:
    """Pass on what either says until one hangs up. In one thread: no two may use a TLS connection at once."""
    other = {client: server, server: client}
    with suppress(OSError, ValueError):
        while True:
            for source in _readable(other):
                piece = source.recv(65_536)
                if not piece:
                    return
                other[source].sendall(piece)


def _readable(connections: Iterable[socket.socket]) -> list[socket.socket]:
    buffered = [each for each in connections if isinstance(each, ssl.SSLSocket) and each.pending()]
    if buffered:
        return buffered
    with DefaultSelector() as selector:  # `select` knows no file descriptor above 1,023
        for each in connections:
            selector.register(each, EVENT_READ, each)
        return [key.data for key, _ in selector.select()]
