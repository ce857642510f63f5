"""Signs of life of this process: its own loop gives the beat, a thread beside it tells Redis.

So a process whose loop is stuck falls silent, and one whose Redis is slow or away goes on with its work.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Self

import structlog

from willcall.stores.connection import StoreError
from willcall.stores.processes import HEARTBEAT_INTERVAL, ProcessStore

log = structlog.get_logger(__name__)

#: Seconds between two beats of a loop: what is told of is what Redis has room for, not each of them.
BEAT = 1.0
#: Seconds that the end of a process waits until it is told.
_FAREWELL = 2.0


def process_name() -> str:
    """What this process is called, wherever a name of it is shown."""
    return f"willcall-{os.getpid()}@{socket.gethostname()}"


class Heartbeat:
    """Use as a context manager: within the block each `beat` is told, one every few seconds."""

    def __init__(
        self,
        processes: ProcessStore,
        kind: str,
        detail: Mapping[str, str] | None = None,
        every: float = HEARTBEAT_INTERVAL,
    ) -> None:
        """`kind` is worker, beat or api; `detail`: what the process says of itself; `every`: seconds between signs."""
        self.detail = dict(detail or {})
        #: Whether the loop stands still for a good reason, such as a broker that is away: then it lives without beats.
        self.suspended = False
        self._processes = processes
        self._kind, self._name, self._every = kind, process_name(), every
        # Its methods may be interrupted by themselves, so a signal's handler may use it too. False is the end.
        self._words: SimpleQueue[bool] = SimpleQueue()
        self._thread = Thread(target=self._tell, name="pulse", daemon=True)
        self._known, self._away = False, False
        self._state: str | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._words.put(False)
        self._thread.join(_FAREWELL)

    def beat(self) -> None:
        """The loop goes round. Never blocks."""
        if self._words.empty():
            self._words.put(True)

    def _tell(self) -> None:
        due, told = monotonic(), None
        while self._heard():
            if monotonic() >= due or self.suspended is not told:
                due, told = monotonic() + self._every, self.suspended
                self._sign({**self.detail, "state": "suspended" if told else "working"})
        with suppress(StoreError):
            self._processes.remove(self._kind, self._name)

    def _heard(self) -> bool:
        """Wait for a beat; False at the end."""
        while True:
            with suppress(Empty):
                return self._words.get(timeout=self._every)
            if self.suspended:
                return True

    def _sign(self, detail: Mapping[str, str]) -> None:
        try:
            if not self._known:  # another process may have had the name, as the first one of a container always has
                self._processes.remove(self._kind, self._name)
                self._known = True
            self._compare(self._processes.record_heartbeat(self._kind, self._name, detail))
        except StoreError as error:
            if not self._away:
                log.warning("heartbeat failed", process=self._name, error=error)
            self._away = True
        else:
            self._away = False

    def _compare(self, state: str) -> None:
        """Report a Redis that was emptied, or replaced by another one, since the last heartbeat. Raises StoreError."""
        if self._state not in {None, state}:
            log.error("state replaced", process=self._name)
            self._processes.report_replaced()
        self._state = state
