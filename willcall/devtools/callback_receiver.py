"""A callback receiver on loopback for the demo, the tests and the bench.

It verifies every signature, responds as scripted and records every request.
"""

import json
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from select import POLLIN, poll
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

#: Signs callbacks in configurations that are made for this receiver.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - made up


@dataclass(frozen=True, slots=True)
class ScriptedResponse:
    """A response to a callback. Status 0 hangs until the client disconnects, -1 resets the connection."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ignored"


HANG, RESET = ScriptedResponse(0), ScriptedResponse(-1)


@dataclass(frozen=True, slots=True)
class ReceivedCallback:
    """One request. `event` is its body, `verified` says whether its signature is valid, `at` is epoch seconds.

    `status` is that of its `ScriptedResponse`.
    """

    path: str
    id: str
    event: dict[str, Any]
    headers: dict[str, str]
    verified: bool
    at: float
    status: int


class _ReceiverServer(ThreadingHTTPServer):
    daemon_threads = True
    #: All threads of several workers may connect at once.
    request_queue_size = 128


class CallbackReceiver:
    """A context manager. Responds with 200 unless a path is scripted; the last response of a script stays."""

    def __init__(self, secret: str = SECRET) -> None:
        self._webhook = Webhook(secret)
        self._scripts: dict[str, deque[ScriptedResponse]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.received: list[ReceivedCallback] = []
        #: The most requests that waited for a response at the same time.
        self.most_at_once = 0
        self._connections: set[socket.socket] = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.serve(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's
                pass

        self._server = _ReceiverServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def url(self, path: str = "/") -> str:
        """Return a callback URL; scripts and records are per path."""
        return f"http://{self.host}{path}"

    def script(self, *responses: ScriptedResponse | int, path: str = "/") -> None:
        """Set the responses of a path, one after the other; the last one stays."""
        with self._lock:
            self._scripts[path] = deque(
                ScriptedResponse(response) if isinstance(response, int) else response for response in responses
            )

    def message_ids(self, path: str = "/") -> list[str]:
        """Return the ids of the received messages, in order of arrival."""
        return [message.id for message in self.received if message.path == path]

    def verify(self, body: bytes, headers: dict[str, str]) -> bool:
        """Return whether a signature is valid."""
        return is_signed(self._webhook, body, headers)

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Handle one request; called by the server."""
        body = request.rfile.read(int(request.headers["content-length"]))
        headers = {name.lower(): value for name, value in request.headers.items()}
        verified = self.verify(body, headers)
        with self._lock:
            response = self._next_response(request.path)
            self.received.append(
                ReceivedCallback(
                    path=request.path,
                    id=headers["webhook-id"],
                    event=json.loads(body),
                    headers=headers,
                    verified=verified,
                    at=time.time(),
                    status=response.status,
                )
            )
            if response != RESET:  # the connection ends by itself
                self._connections.add(request.connection)
            waiting = sum(not _disconnects(connection, 0) for connection in self._connections)
            self.most_at_once = max(self.most_at_once, waiting)
        with suppress(OSError):
            self._respond(request, response)
        with self._lock:
            self._connections.discard(request.connection)

    def _next_response(self, path: str) -> ScriptedResponse:
        responses = self._scripts[path]
        if not responses:
            return ScriptedResponse()
        return responses.popleft() if len(responses) > 1 else responses[0]

    def _respond(self, request: BaseHTTPRequestHandler, response: ScriptedResponse) -> None:
        request.close_connection = True
        if response == HANG:
            while not (self._stopped.is_set() or _disconnects(request.connection, 0.05)):
                pass
        elif response == RESET:
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.connection.close()
        else:
            request.send_response(response.status)
            for name, value in {**response.headers, "content-length": str(len(response.body))}.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(response.body)


def is_signed(webhook: Webhook, body: bytes, headers: dict[str, str]) -> bool:
    """Return whether a message has a valid signature."""
    try:
        webhook.verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def _disconnects(connection: socket.socket, seconds: float) -> bool:
    """Return whether the client closes the connection within that time."""
    waiting = poll()
    waiting.register(connection, POLLIN)
    return bool(waiting.poll(seconds * 1_000))
