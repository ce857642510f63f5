"""Heartbeats of this process: its own loop triggers them, and a thread writes them to Redis.

So a process whose loop is stuck sends no heartbeat, and a slow or unavailable Redis does not delay the loop.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from signal import SIGTERM
from threading import Thread
from time import monotonic
from typing import Self

import structlog

from willcall.runtime.live_config import LiveConfig
from willcall.stores.connection import StoreError
from willcall.stores.processes import HEARTBEAT_INTERVAL, ProcessStore
from willcall.stores.schema import UnreadableStateError

log = structlog.get_logger(__name__)

#: Seconds between two beats of a loop. Not every beat is written to Redis.
BEAT = 1.0
#: Seconds that the end of a process waits until it is written to Redis.
_END_TIMEOUT = 2.0


def process_name() -> str:
    """Return the name of this process, as it is shown everywhere."""
    return f"willcall-{os.getpid()}@{socket.gethostname()}"


class HeartbeatSender:
    """A context manager within which each `beat` of the loop shows that the process runs."""

    def __init__(
        self,
        processes: ProcessStore,
        kind: str,
        detail: Mapping[str, str] | None = None,
        every: float = HEARTBEAT_INTERVAL,
        live: LiveConfig | None = None,
    ) -> None:
        """`kind` is worker, beat, api or flower. `every`: seconds between heartbeats in Redis.

        `live`: the configuration that heartbeats show, and that takes part in reloads of all processes.
        """
        self.detail = dict(detail or {})
        #: Whether the loop waits for a good reason, such as an unavailable broker. Then heartbeats need no beats.
        self.suspended = False
        self._processes = processes
        self._kind, self._name, self._every = kind, process_name(), every
        # A signal handler may interrupt a call and use the queue again, which SimpleQueue allows. False is the end.
        self._beats: SimpleQueue[bool] = SimpleQueue()
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)
        self._registered, self._failing = False, False
        self._state: str | None = None
        self._live, self._unreported = live, False

    def __enter__(self) -> Self:
        if self._live:
            self._live.on_reloaded = self.report
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._beats.put(False)
        self._thread.join(_END_TIMEOUT)

    def beat(self) -> None:
        """Record that the loop runs. Never blocks."""
        if self._beats.empty():
            self._beats.put(True)

    def report(self) -> None:
        """Send a heartbeat now, because what it says has changed."""
        self._unreported = True
        self._beats.put(True)

    def _run(self) -> None:
        due, written = monotonic(), None
        while self._wait_for_beat():
            if monotonic() >= due or self.suspended is not written or self._unreported:
                self._unreported = False
                due, written = monotonic() + self._every, self.suspended
                self._write({**self.detail, "state": "suspended" if written else "working"})
        with suppress(StoreError):
            self._processes.remove(self._kind, self._name)

    def _wait_for_beat(self) -> bool:
        """Wait for a beat, and return False at the end."""
        while True:
            with suppress(Empty):
                return self._beats.get(timeout=self._every)
            if self.suspended:
                return True

    def _write(self, detail: Mapping[str, str]) -> None:
        try:
            if not self._registered:  # a process before may have had the same name: all do in containers
                self._processes.remove(self._kind, self._name)
                self._registered = True
            configuration = self._live.state(self._state or "") if self._live else None
            reply = self._processes.record_heartbeat(self._kind, self._name, detail, configuration)
            self._compare(reply.state)
            if self._live:
                self._live.hear(reply.reload)
        except StoreError as error:
            if not self._failing:
                log.warning("heartbeat failed", process=self._name, error=error)
            self._failing = True
        else:
            self._failing = False

    def _compare(self, state: str) -> None:
        """Report if Redis was emptied or replaced since the last heartbeat, and stop if its state cannot be read.

        Raises StoreError.
        """
        if self._state != state:
            try:
                self._processes.schema.open()
            except UnreadableStateError as problem:
                log.critical("state unreadable", process=self._name, error=problem)
                os.kill(os.getpid(), SIGTERM)  # the next start says so, and exits
                return
        if self._state not in {None, state}:
            log.error("state replaced", process=self._name)
            self._processes.report_replaced()
        if self._state != state and self._live:
            self.report()  # with the digest, whose key is the new state
        self._state = state
