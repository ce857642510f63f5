"""Delayed messages: when a message is due, and how many of a queue are not due yet."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from json import dumps, loads
from math import ceil
from typing import TYPE_CHECKING, Any

from willcall.stores import keys
from willcall.stores.scripts import LuaScript, source

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True)
class DelayedStats:
    """The delayed messages of one queue."""

    count: int
    #: When the next message is due, in epoch seconds by Redis' clock; None without messages.
    next_due: float | None
    #: By how many seconds that message is overdue. More than a moment means that no worker moves due messages.
    lag: float


def delayed_stats(client: "Redis", queues: Sequence[str], prefix: str = "") -> dict[str, DelayedStats]:
    """Count the delayed messages of each queue; `prefix` is the transport's `global_keyprefix`."""
    now, *numbers = load(client, "delayed_stats")(keys=[prefix + keys.delayed_messages(queue) for queue in queues])
    stats = {}
    for queue, count, due in zip(queues, numbers[::2], numbers[1::2], strict=True):
        lag = max(0.0, (now - due) / 1000) if count else 0.0
        stats[queue] = DelayedStats(count, due / 1000 if count else None, lag)
    return stats


def load(client: "Redis", name: str) -> LuaScript:
    """Return one of the transport's scripts."""
    return LuaScript(client, source("workers", name))


def without_eta(message: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return a copy of the message without its `eta`, and the milliseconds until then.

    The time is kept as the header `x-due`, so that no worker delays the message a second time. The original is
    unchanged because kombu may publish it again. Celery's protocol 2 has the `eta` in the headers, protocol 1 in the
    body.
    """
    headers: dict[str, Any] = message.get("headers") or {}
    rest: dict[str, Any] = message
    if headers.get("eta") or "task" in headers:
        eta = parse_eta(headers.get("eta"))
        headers = {name: value for name, value in headers.items() if name != "eta"}
    else:
        eta, rest = _without_eta_in_body(message)
    if eta is None:  # none, or one that the worker has to judge
        return message, 0
    delay = (eta - datetime.now(UTC)).total_seconds()
    stripped: dict[str, Any] = {**rest, "headers": {**headers, "x-due": eta.isoformat()}}
    return stripped, max(0, ceil(delay * 1000))


def parse_eta(eta: Any) -> datetime | None:
    """Return when a message is due, or `None` if it has no readable `eta`."""
    try:
        due = datetime.fromisoformat(eta)
        return due.replace(tzinfo=UTC) if due.tzinfo is None else due.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _without_eta_in_body(message: dict[str, Any]) -> tuple[datetime | None, dict[str, Any]]:
    encoded = message.get("properties", {}).get("body_encoding") == "base64"
    try:
        text = b64decode(message["body"]) if encoded else message["body"]
        body = loads(text) if message.get("content-type") == "application/json" else None
    except (LookupError, TypeError, ValueError, RecursionError):
        return None, message
    if not isinstance(body, dict) or "task" not in body:
        return None, message
    eta = parse_eta(body.get("eta"))
    text = dumps({**body, "eta": None})
    return eta, {**message, "body": b64encode(text.encode()).decode() if encoded else text}
