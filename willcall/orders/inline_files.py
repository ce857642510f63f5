"""Files that an answer holds itself, rather than an address of them.

An adapter does no I/O, so it puts the file into the ticket's address as a `data:` URL. The use case that stores the
file takes it out again before anything else is written.
"""

import binascii
from dataclasses import replace

from willcall.orders.model import Ticket

_PREFIX = "data:;base64,"


def with_inline_file(ticket: Ticket, content: bytes) -> Ticket:
    """Return the ticket with a file that is to be stored."""
    return replace(ticket, url=_PREFIX + binascii.b2a_base64(content, newline=False).decode())


def inline_file(ticket: Ticket) -> bytes | None:
    """Return the file that is to be stored for a ticket, or None."""
    if ticket.url is None or not ticket.url.startswith(_PREFIX):
        return None
    return binascii.a2b_base64(ticket.url.removeprefix(_PREFIX))
