"""How messages are stored in Redis."""

import zlib
from base64 import b64encode
from typing import Any

from kombu.utils.json import loads

from willcall.stores.dead_letters import DeadLetterReason

#: Longest message that is read, bytes. An order takes about one thousand.
MAX_BYTES = 1 << 20
#: The header of a placeholder: why the message that it carries cannot be read.
UNREADABLE = "x-willcall-unreadable"
#: The header that counts earlier deliveries: one for all workers that returned the message, and one for each that did
#: not finish it in time.
REDELIVERED = "x-willcall-redelivered"
#: What fails where JSON, its encoding or its compression is broken, or its objects are not kombu's.
DECODE_ERRORS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, zlib.error)


def compress(text: bytes) -> bytes:
    """Compress a delayed message, to half of its length."""
    return zlib.compress(text)


def decompress(item: bytes, max_bytes: int = MAX_BYTES) -> bytes:
    """Return at most `max_bytes` of a message as kombu writes it, compressed or not. Raises zlib.error."""
    return item if item.startswith(b"{") else zlib.decompressobj().decompress(item, max_bytes)


def split_redeliveries(item: bytes) -> tuple[bytes, int]:
    """Return a message without the marks of `restore.lua`, and their number."""
    message = item.lstrip(b"!")
    return message, len(item) - len(message)


def parse(item: bytes) -> dict[str, Any]:
    """Return a message as kombu's dictionary, or a placeholder for one that cannot be read."""
    if len(item) > MAX_BYTES:
        return placeholder(item, DeadLetterReason.TOO_LARGE)
    try:
        payload: dict[str, Any] = loads(decompress(item))
        readable = (
            isinstance(payload["properties"], dict)
            and isinstance(payload.get("body", ""), str)
            and isinstance(payload.get("headers") or {}, dict)
            and isinstance(payload["properties"].setdefault("delivery_info", {}), dict)
        )
    except DECODE_ERRORS:
        readable = False
    return payload if readable else placeholder(item, DeadLetterReason.UNREADABLE)


def placeholder(item: bytes, reason: DeadLetterReason) -> dict[str, Any]:
    """Return a message that carries an unreadable one, so that it is acknowledged and stored like any other."""
    return {
        "body": b64encode(item).decode(),
        "content-type": "application/octet-stream",
        "content-encoding": "binary",
        "headers": {UNREADABLE: reason.value},
        "properties": {"body_encoding": "base64", "delivery_info": {}},
    }
