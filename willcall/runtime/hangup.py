"""SIGHUP: it reloads the configuration, but ends a process whose terminal was closed.

The kernel sends SIGHUP when a terminal closes, and operators send it to make a process read its configuration. A
process that had a terminal when it started, and has none now, has lost it. `nohup` keeps such a process running.

`block` makes an early SIGHUP wait until `handle` is ready for it: otherwise it would kill a process that is starting.
"""

import atexit
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_TERMINAL = "/dev/tty"


@contextmanager
def blocked() -> Iterator[None]:
    """Make SIGHUP wait during the block, also for processes that are started in it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def handle(reload: Callable[[], None]) -> None:
    """Call `reload` on SIGHUP, or end this process as SIGTERM does if its terminal was closed.

    Only the main thread may call it.
    """
    may_end = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _has_terminal()

    def on_hangup(_: int, __: FrameType | None) -> None:
        if may_end and not _has_terminal():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            reload()

    signal.signal(signal.SIGHUP, on_hangup)
    # Python's own end restores the default, which kills, unless the signal is ignored.
    atexit.register(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


def _has_terminal() -> bool:
    with suppress(OSError):
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
        return True
    return False
