"""A real server on loopback whose every byte a test decides."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Server:
    """Accepts connections and gives each to `script`, which hears requests and says bytes."""

    def __init__(self, script: Callable[["Server", socket.socket], None]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0
        self.hung_up = threading.Semaphore(0)
        self.stopped = threading.Event()
        self._script = script
        self.open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hear(self, connection: socket.socket) -> bytes:
        """One whole request; empty where the client has hung up."""
        heard = b""
        while b"\r\n\r\n" not in heard:
            more = connection.recv(65_536)
            if not more:
                return b""
            heard += more
        head, _, body = heard.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += connection.recv(65_536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def drip(self, connection: socket.socket, what: bytes) -> None:
        """A byte every 20 ms, for ever, until the client hangs up or the test ends."""
        while not self.stopped.wait(0.02):
            connection.sendall(what)

    def stop(self) -> None:
        self.stopped.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            connection.settimeout(600)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._script(self, connection)
        self.hung_up.release()


def whole(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def saying(*parts: bytes) -> Callable[[Server, socket.socket], None]:
    """A script that answers every request with the same bytes, for as long as the client stays."""

    def script(server: Server, connection: socket.socket) -> None:
        while server.hear(connection):
            connection.sendall(b"".join(parts))

    return script


def once(*parts: bytes) -> Callable[[Server, socket.socket], None]:
    """A script that answers one request and hangs up."""

    def script(server: Server, connection: socket.socket) -> None:
        server.hear(connection)
        connection.sendall(b"".join(parts))

    return script


def over_tls(
    certificate: Path, inner: Callable[[Server, socket.socket], None] | None = None
) -> Callable[[Server, socket.socket], None]:
    inner = inner or saying(whole(b"over TLS"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def script(server: Server, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            server.open.append(wrapped)
            inner(server, wrapped)

    return script


Serve = Callable[[Callable[[Server, socket.socket], None]], Server]
