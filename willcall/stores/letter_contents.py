"""What dead letters contain: the order that one submits, and its text with nothing that is secret."""

import json
import re
import zlib
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from willcall.orders.submission import id_from_task

#: The argument of a submission that is never shown.
_SECRET = "credentials"  # noqa: S105 - its name
_NOT_SHOWN = "[not shown, because it contains credentials]"
_COMPRESSED = "[not shown, because it is compressed]"
#: Most bytes of a body after decompression, and kombu's name of the compression that can be read here.
_MOST_BYTES, _ZLIB = 16 * 1024 * 1024, "application/x-gzip"
#: Text that may be base64, and how the id of an order looks in a submission.
_BASE64 = re.compile(rb"[A-Za-z0-9+/=]{24,}")
_ID = re.compile(rb'\\*"id\\*":\s*\\*"([A-Za-z0-9._:@~-]+)\\*"')


@dataclass(frozen=True, slots=True)
class _Message:
    """A message as kombu stores it, and its decoded body: args, kwargs and options of the task."""

    payload: dict[str, Any]
    body: list[Any]

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments."""
        return self.body[1]  # type: ignore[no-any-return]


def submits(raw: bytes, order_id: str) -> bool:
    """Return whether a message, or the beginning of one, submits an order of this id."""
    message = _read(raw)
    if message is None:
        return any(order_id.encode() in _ID.findall(text) for text in _texts(raw))
    arguments, headers = message.arguments, message.payload.get("headers") or {}
    return order_id == (arguments.get("id") or id_from_task(str(headers.get("id"))))


def shown_text(raw: bytes) -> str:
    """Return a message as text, without credentials."""
    if b'"compression"' in raw:
        return _COMPRESSED
    if not any(_SECRET.encode() in text for text in _texts(raw)):
        return raw.decode(errors="backslashreplace")
    message = _read(raw)
    if message is None:
        return _NOT_SHOWN
    body = json.dumps(_without_secrets(message.body))
    if message.payload["properties"].get("body_encoding") == "base64":
        body = b64encode(body.encode()).decode()
    # These headers are the sender's, and may show its arguments.
    headers = {**(message.payload.get("headers") or {}), "argsrepr": "()", "kwargsrepr": "{}"}
    return json.dumps({**message.payload, "headers": _without_secrets(headers), "body": body})


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _NOT_SHOWN if name == _SECRET else _without_secrets(each) for name, each in value.items()}
    return [*map(_without_secrets, value)] if isinstance(value, list) else value


def _read(raw: bytes) -> _Message | None:
    try:
        payload = json.loads(raw)
        body = payload["body"]
        if payload["properties"].get("body_encoding") == "base64":
            body = b64decode(body)
        if (payload.get("headers") or {}).get("compression") == _ZLIB:
            body = zlib.decompressobj().decompress(body, _MOST_BYTES)
        decoded = json.loads(body)
        return _Message(payload, decoded) if isinstance(decoded[1], dict) else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, zlib.error):
        return None


def _texts(raw: bytes) -> list[bytes]:
    """Return a message as it is, and what it contains in base64, even if its end is missing."""
    texts = [raw]
    for part in _BASE64.findall(raw):
        with suppress(ValueError):
            texts.append(b64decode(part[: len(part) // 4 * 4]))
    return texts
