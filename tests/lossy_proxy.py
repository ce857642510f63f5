"""A proxy in front of a real Redis that loses the answers which a test names."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from tests.scripted_server import Server


class LossyProxy:
    """Forwards connections to a server on this machine."""

    def __init__(self, url: str) -> None:
        """`url` is the server's."""
        self._port = urlsplit(url).port or 6379
        self._lose, self._times = b"", 0
        #: How many answers were lost.
        self.lost = 0
        self._server = Server(self._forward)
        #: Where clients connect.
        self.url = url.replace(f":{self._port}/", f":{self._server.port}/")

    def lose_answers_to(self, word: bytes, times: int = 1) -> None:
        """Lose the answers to the next requests that hold `word`: they are carried out, their connections break."""
        self._lose, self._times = word, times

    def stop(self) -> None:
        """End all connections."""
        self._server.stop()

    def _forward(self, _: Server, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as upstream:
            doomed = threading.Event()
            back = threading.Thread(target=self._answer, args=(upstream, client, doomed))
            back.start()
            with suppress(OSError):
                while request := client.recv(1_000_000):
                    if self._times and self._lose in request:
                        self._times -= 1
                        doomed.set()
                    upstream.sendall(request)
            with suppress(OSError):
                upstream.shutdown(socket.SHUT_RDWR)
            back.join()

    def _answer(self, upstream: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            while answer := upstream.recv(1_000_000):
                if doomed.is_set():
                    self.lost += 1
                    break
                client.sendall(answer)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
