"""A real HTTP proxy on loopback, as a script of `tests.scripted_server`: CONNECT, and forwarded requests."""

import socket
import threading
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress

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
            back = threading.Thread(target=_relay, args=(onward, connection))
            back.start()
            _relay(connection, onward)
            back.join()

    return script


def _relay(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
