"""Ports of this machine: whether they are free, and why a process cannot listen."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from willcall.cli.errors import CommandError

LOOPBACK = "127.0.0.1"


def require_free_port(port: int, process: str, option: str) -> None:
    """Raise CommandError where another process listens on a port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            message = f"port {port} is in use; choose another one for {process} with {option}"
            raise CommandError(message) from None


@contextmanager
def explain_listen_errors(host: str, port: int) -> Iterator[None]:
    """Turn the OSError of an address that cannot be used into a CommandError."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0  # negative if the host name cannot be resolved
        why = os.strerror(number) if number > 0 else error.strerror
        raise CommandError(f"cannot listen on {host}:{port}: {why}") from None
