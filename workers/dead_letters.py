"""Messages that no task can process: stored for operators, and requeued by them."""

from base64 import b64decode, b64encode
from typing import Any

import structlog
from kombu.utils.json import dumps

from willcall.stores.dead_letters import DeadLetter, DeadLetterReason
from workers.transport.encoding import REDELIVERED, UNREADABLE, parse
from workers.validation import DELIVERY_COUNT

log = structlog.get_logger(__name__)


def store_dead_letter(app: Any, message: Any, reason: DeadLetterReason) -> None:
    """Store a message (kombu's) as a dead letter. Raises StoreError."""
    queue = queue_of(message)
    app.willcall.stores.dead_letters.add(queue, reason, encode(message))
    log.error("dead letter", queue=queue, why=reason.text)


def queue_of(message: Any) -> str:
    """Return the queue that a message came from, as far as it is known."""
    info = message.delivery_info
    return str(info.get("queue") or info.get("routing_key") or "")


def encode(message: Any) -> bytes:
    """Return a message as kombu stores it in Redis, whichever the broker is. An unreadable one stays as it was."""
    if UNREADABLE in message.headers:
        return bytes(message.body)
    body, encoding = _encode_body(message.body)
    properties = {name: value for name, value in message.properties.items() if isinstance(value, str | int)}
    payload: str = dumps(
        {
            "body": body,
            "content-type": message.content_type,
            "content-encoding": message.content_encoding,
            "headers": message.headers,
            "properties": {**properties, "body_encoding": encoding},
        }
    )
    return payload.encode()


def requeue(app: Any, letter: DeadLetter) -> None:
    """Send a dead letter back to its queue, on any broker. Raises ValueError for one that never was a message."""
    payload = parse(letter.raw)
    if UNREADABLE in payload["headers"]:
        raise ValueError("is not a message")
    properties = payload["properties"]
    body = payload.get("body", "")
    counters = {"redelivered", REDELIVERED, DELIVERY_COUNT}
    with app.producer_or_acquire() as producer:
        producer.publish(
            b64decode(body) if properties.get("body_encoding") == "base64" else body,
            exchange="",
            routing_key=letter.queue,
            content_type=payload.get("content-type"),
            content_encoding=payload.get("content-encoding"),
            headers={name: value for name, value in (payload.get("headers") or {}).items() if name not in counters},
            priority=properties.get("priority") or 0,
            correlation_id=properties.get("correlation_id"),
            declare=[],
            retry=True,
            retry_policy=app.conf.task_publish_retry_policy,
        )


def _encode_body(body: Any) -> tuple[str, str]:
    try:
        return (body if isinstance(body, str) else bytes(body).decode()), "utf-8"
    except UnicodeDecodeError:
        return b64encode(body).decode(), "base64"
