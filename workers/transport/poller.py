"""Checks for messages at short intervals, in a worker's event loop or without one."""

from contextlib import suppress
from socket import socket, socketpair
from time import monotonic
from typing import Any

import structlog
from kombu.transport import redis as stock

from willcall.stores.outages import NotServingError

log = structlog.get_logger(__name__)

#: Seconds between two checks of a worker: a message is late by half of it on average.
CHECK_INTERVAL = 0.02


class Poller(stock.MultiChannelPoller):
    """Lets the channels of a connection claim due messages and restore those of dead workers."""

    def __init__(self) -> None:
        super().__init__()
        self._checked_at = float("-inf")
        self._loop: Any = None
        #: A byte that is sent into the second socket wakes the event loop, which reads the first one.
        self._wakeup_sockets: tuple[socket, socket] | None = None

    def attach(self, loop: Any) -> None:
        """Check at each interval of an event loop, and whenever it is woken."""
        self._loop, self._wakeup_sockets = loop, socketpair()
        for end in self._wakeup_sockets:
            end.setblocking(False)
        loop.add_reader(self._wakeup_sockets[0], self._on_wakeup)
        loop.call_repeatedly(CHECK_INTERVAL, self.check)

    def wake(self) -> None:
        """Make the event loop check now. Any thread may call it. Without an event loop it does nothing."""
        if self._wakeup_sockets:
            with suppress(OSError):  # enough bytes are there already, or it is closed
                self._wakeup_sockets[1].send(b"!")

    def _on_wakeup(self) -> None:
        if self._wakeup_sockets:
            with suppress(OSError):
                self._wakeup_sockets[0].recv(4096)
        self.check()

    def close(self) -> None:
        """Forget the channels and leave the event loop."""
        super().close()
        sockets, self._wakeup_sockets = self._wakeup_sockets, None
        if sockets:
            self._loop.remove(sockets[0])
            for end in sockets:
                end.close()

    def check(self) -> bool:
        """Let every consuming channel claim messages. Returns whether there were any."""
        self._checked_at = monotonic()
        claimed = False
        for channel in list(self._channels):
            if channel.consuming:
                try:
                    claims = channel.claim()
                except NotServingError:  # BRPOP still waits undisturbed while nothing can be claimed
                    raise
                except channel.ResponseError as error:  # such as a key that somebody made into something else
                    raise NotServingError("ERR") from error
                except channel.connection_errors as error:  # BRPOP fails too, and that reconnects
                    log.debug("claim failed", error=error)
                else:
                    claimed |= channel.deliver(claims)
        self.maybe_restore_messages()
        return claimed

    def get(self, callback: Any, timeout: float | None = None) -> None:
        """Deliver at least one message or raise Empty. Used without an event loop."""
        if any(channel.consuming for channel in self._channels):
            if monotonic() - self._checked_at >= CHECK_INTERVAL and self.check():
                return
            timeout = CHECK_INTERVAL if timeout is None else min(timeout, CHECK_INTERVAL)
        super().get(callback, timeout)
