"""Checks of messages that arrive in our queues, which any application may have sent."""

from collections.abc import Container
from numbers import Real
from typing import Any

from kombu.exceptions import ContentDisallowed, DecodeError

from willcall.stores.dead_letters import DeadLetterReason
from workers.transport.encoding import DECODE_ERRORS, REDELIVERED, UNREADABLE

#: The header in which RabbitMQ's quorum queues count all deliveries of a message.
DELIVERY_COUNT = "x-delivery-count"
#: A message that was redelivered more often than this crashes its workers or makes them hang. RabbitMQ has the second
#: limit itself from version 4 on.
MAX_REDELIVERED, MAX_DELIVERIES = 5, 20


def rejection_reason(message: Any, known_tasks: Container[str]) -> DeadLetterReason | None:
    """Return why a message (kombu's) is no task that we can run, or `None` if it is one.

    Celery checks part of this itself and then drops the message. The rest it takes for granted: a worker would end with
    the exception.
    """
    if UNREADABLE in message.headers:
        too_large = message.headers[UNREADABLE] == DeadLetterReason.TOO_LARGE
        return DeadLetterReason.TOO_LARGE if too_large else DeadLetterReason.UNREADABLE
    if _never_finished(message.headers):
        return DeadLetterReason.UNFINISHED
    try:
        payload = message.payload
    except (ContentDisallowed, DecodeError, *DECODE_ERRORS):
        is_json = message.content_type == "application/json"
        return DeadLetterReason.UNREADABLE if is_json else DeadLetterReason.CONTENT_TYPE
    match payload:
        case [args, kwargs, dict()] if "task" in message.headers:
            return _check_fields(message.headers, args, kwargs, known_tasks)
        case dict() if "task" not in message.headers:  # protocol 1 has everything in the body
            return _check_fields(payload, payload.get("args", []), payload.get("kwargs", {}), known_tasks)
    return DeadLetterReason.MALFORMED


def _check_fields(
    fields: dict[str, Any], args: object, kwargs: object, known_tasks: Container[str]
) -> DeadLetterReason | None:
    """Check the fields that both protocols have."""
    valid = (
        isinstance(fields.get("task"), str)
        and isinstance(fields.get("id"), str)
        and isinstance(args, list | tuple)
        and isinstance(kwargs, dict)
        and isinstance(fields.get("shadow") or "", str)
        and isinstance(fields.get("retries") or 0, int)
        and _is_time_limit(fields.get("timelimit"))
    )
    if not valid:
        return DeadLetterReason.MALFORMED
    return None if fields["task"] in known_tasks else DeadLetterReason.UNKNOWN_TASK


def _never_finished(headers: dict[str, Any]) -> bool:
    limits = {REDELIVERED: MAX_REDELIVERED, DELIVERY_COUNT: MAX_DELIVERIES}
    return any(isinstance(headers.get(name), int) and headers[name] > most for name, most in limits.items())


def _is_time_limit(value: object) -> bool:
    match value or (None, None):
        case [None | Real(), None | Real()]:
            return True
    return False
