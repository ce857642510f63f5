"""A backend on loopback that is told of events: verifies every signature, answers as scripted, keeps a ledger.

For the demo, the tests and the bench.
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

#: Signs events where the configuration is made for this receiver.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - made up


@dataclass(frozen=True, slots=True)
class ScriptedResponse:
    """What a receiver does with a request: `status` 0 hangs until its caller goes, -1 resets the connection."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ignored"


HANG, RESET = ScriptedResponse(0), ScriptedResponse(-1)


@dataclass(frozen=True, slots=True)
class ReceivedCallback:
    """One request. `event` is its body; `verified` says that its signature is good. `at` is epoch seconds.

    `status` is what it is answered with, see `Answer`.
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
    #: All threads of several workers may call at once.
    request_queue_size = 128


class CallbackReceiver:
    """Use as a context manager. Answers 200 unless a path is scripted; the last answer of a script stays."""

    def __init__(self, secret: str = SECRET) -> None:
        self._webhook = Webhook(secret)
        self._scripts: dict[str, deque[ScriptedResponse]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.received: list[ReceivedCallback] = []
        #: The most requests whose callers waited at the same time.
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
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def url(self, path: str = "/") -> str:
        """A callback URL; scripts and ledger are per path."""
        return f"http://{self.host}{path}"

    def script(self, *answers: ScriptedResponse | int, path: str = "/") -> None:
        """What a path answers, one after the other; the last one stays."""
        with self._lock:
            self._scripts[path] = deque(
                ScriptedResponse(answer) if isinstance(answer, int) else answer for answer in answers
            )

    def message_ids(self, path: str = "/") -> list[str]:
        """The ids of the messages that came, in their order."""
        return [message.id for message in self.received if message.path == path]

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Take one message; called by the server."""
        body = request.rfile.read(int(request.headers["content-length"]))
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            self._webhook.verify(body, headers)
            verified = True
        except WebhookVerificationError:
            verified = False
        event = json.loads(body)
        with self._lock:
            answers = self._scripts[request.path]
            answer = (answers.popleft() if len(answers) > 1 else answers[0]) if answers else ScriptedResponse()
            self.received.append(
                ReceivedCallback(
                    request.path, headers["webhook-id"], event, headers, verified, at=time.time(), status=answer.status
                )
            )
            if answer != RESET:  # whose connection ends by itself
                self._connections.add(request.connection)
            waiting = sum(not _has_gone(connection, 0) for connection in self._connections)
            self.most_at_once = max(self.most_at_once, waiting)
        with suppress(OSError):
            self._answer(request, answer)
        with self._lock:
            self._connections.discard(request.connection)

    def _answer(self, request: BaseHTTPRequestHandler, answer: ScriptedResponse) -> None:
        request.close_connection = True
        if answer == HANG:
            while not (self._stopped.is_set() or _has_gone(request.connection, 0.05)):
                pass
        elif answer == RESET:
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.connection.close()
        else:
            request.send_response(answer.status)
            for name, value in {**answer.headers, "content-length": str(len(answer.body))}.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(answer.body)


def _has_gone(connection: socket.socket, seconds: float) -> bool:
    """Whether a caller, who has nothing more to say, hangs up within that time."""
    waiting = poll()
    waiting.register(connection, POLLIN)
    return bool(waiting.poll(seconds * 1_000))
