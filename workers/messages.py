"""What others put into our queues: which messages can be read, which tasks can be run, what is kept of the rest."""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Container
from numbers import Real
from typing import Any

from kombu.exceptions import ContentDisallowed, DecodeError
from kombu.utils.json import dumps, loads

from willcall.stores.dead_letters import DeadLetter, DeadLetterReason
from workers.transport.delayed import plain

#: Longest message that is read, bytes. An order takes about one thousand.
MAX_BYTES = 1 << 20
#: The header of a message that stands for one that could not be read.
UNREADABLE = "x-willcall-unreadable"
#: The header that says how often a message was delivered before, as far as that is counted: once for all workers that
#: gave it back, and once for each that did not finish it in time. RabbitMQ's quorum queues count each delivery.
REDELIVERED, DELIVERY_COUNT = "x-willcall-redelivered", "x-delivery-count"
_COUNTS = {"redelivered", REDELIVERED, DELIVERY_COUNT}
#: So many are too many: it ends its workers, or makes them hang. RabbitMQ from version 4 on has the same limit.
MAX_REDELIVERED, MAX_DELIVERIES = 5, 20
#: What fails where JSON, its encoding or its compression is broken, or its objects are not kombu's.
_BROKEN = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, zlib.error)


def parse(item: bytes) -> dict[str, Any]:
    """Return a message of a list as kombu's dictionary; `stand_in` for one that is none."""
    if len(item) > MAX_BYTES:
        return placeholder(item, DeadLetterReason.TOO_LARGE)
    try:
        payload = loads(plain(item, MAX_BYTES))
        usable = isinstance(payload["properties"], dict) and isinstance(payload.get("body", ""), str)
        usable = usable and isinstance(payload.get("headers") or {}, dict)
        usable = usable and isinstance(payload["properties"].setdefault("delivery_info", {}), dict)
    except _BROKEN:
        usable = False
    return payload if usable else placeholder(item, DeadLetterReason.UNREADABLE)


def placeholder(item: bytes, reason: DeadLetterReason) -> dict[str, Any]:
    """Return a message that carries one which cannot be read, so that it is acknowledged and kept like any other."""
    return {
        "body": b64encode(item).decode(),
        "content-type": "application/octet-stream",
        "content-encoding": "binary",
        "headers": {UNREADABLE: reason.value},
        "properties": {"body_encoding": "base64", "delivery_info": {}},
    }


def rejection_reason(message: Any, known: Container[str]) -> DeadLetterReason | None:
    """Return why a message (kombu's) is no task that we can run; `known`: names of tasks.

    Celery asks some of this as well, and then forgets the message. Other things it takes for granted, and a worker
    would end with the exception.
    """
    if UNREADABLE in message.headers:
        return (
            DeadLetterReason.TOO_LARGE
            if message.headers[UNREADABLE] == DeadLetterReason.TOO_LARGE
            else DeadLetterReason.UNREADABLE
        )
    if _never_finished(message.headers):
        return DeadLetterReason.UNFINISHED
    try:
        payload = message.payload
    except (ContentDisallowed, DecodeError, *_BROKEN):
        return (
            DeadLetterReason.UNREADABLE if message.content_type == "application/json" else DeadLetterReason.CONTENT_TYPE
        )
    match payload:
        case [args, kwargs, dict()] if "task" in message.headers:
            return _unusable(message.headers, args, kwargs, known)
        case dict() if "task" not in message.headers:  # protocol 1: everything stands in the body
            return _unusable(payload, payload.get("args", []), payload.get("kwargs", {}), known)
    return DeadLetterReason.MALFORMED


def _unusable(fields: dict[str, Any], args: object, kwargs: object, known: Container[str]) -> DeadLetterReason | None:
    """By the fields that both protocols have."""
    well = (
        isinstance(fields.get("task"), str)
        and isinstance(fields.get("id"), str)
        and isinstance(args, list | tuple)
        and isinstance(kwargs, dict)
        and isinstance(fields.get("shadow") or "", str)
        and isinstance(fields.get("retries") or 0, int)
        and _is_time_limit(fields.get("timelimit"))
    )
    if not well:
        return DeadLetterReason.MALFORMED
    return None if fields["task"] in known else DeadLetterReason.UNKNOWN_TASK


def _never_finished(headers: dict[str, Any]) -> bool:
    limits = {REDELIVERED: MAX_REDELIVERED, DELIVERY_COUNT: MAX_DELIVERIES}
    return any(isinstance(headers.get(name), int) and headers[name] > most for name, most in limits.items())


def _is_time_limit(value: object) -> bool:
    if not value:
        return True
    limits = value if isinstance(value, list | tuple) else ()
    return len(limits) == 2 and all(limit is None or isinstance(limit, Real) for limit in limits)  # noqa: PLR2004


def raw_message(message: Any) -> bytes:
    """Return a message (kombu's) as it lay in the broker, in kombu's form for Redis whichever the broker is."""
    if UNREADABLE in message.headers:
        return bytes(message.body)
    payload = getattr(message, "_raw", None)
    if payload is None:
        body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        properties = {name: value for name, value in message.properties.items() if isinstance(value, str | int)}
        payload = {
            "body": b64encode(body).decode(),
            "content-type": message.content_type,
            "content-encoding": message.content_encoding,
            "headers": message.headers,
            "properties": {**properties, "body_encoding": "base64"},
        }
    text: str = dumps(payload)
    return text.encode()


def requeue(app: Any, letter: DeadLetter) -> None:
    """Put a dead letter back into its queue, on whichever broker. Raises ValueError for what never was a message."""
    payload = parse(letter.raw)
    if UNREADABLE in payload["headers"]:
        raise ValueError("is no message")
    properties = payload["properties"]
    body = payload.get("body", "")
    headers = {name: value for name, value in (payload.get("headers") or {}).items() if name not in _COUNTS}
    with app.producer_or_acquire() as producer:
        producer.publish(
            b64decode(body) if properties.get("body_encoding") == "base64" else body,
            exchange="",
            routing_key=letter.queue,
            content_type=payload.get("content-type"),
            content_encoding=payload.get("content-encoding"),
            headers=headers,
            priority=properties.get("priority") or 0,
            correlation_id=properties.get("correlation_id"),
            declare=[],
            retry=True,
            retry_policy=app.conf.task_publish_retry_policy,
        )
