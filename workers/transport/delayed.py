"""How messages wait for their time: their form in Redis, and what can be read of them."""

import zlib
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

#: What most messages have in common. Waiting messages are compressed against it, so it must never change.
COMMON = (
    b'{"body": "[[\\"ord-\\", 1, \\"/main\\"], {}, {\\"callbacks\\": null, \\"errbacks\\": null, '
    b'\\"chain\\": null, \\"chord\\": null}]", "content-encoding": "utf-8", "content-type": "application/json", '
    b'"headers": {"lang": "py", "task": "tasks.poll", "id": "", "shadow": null, "expires": null, "group": null, '
    b'"group_index": null, "retries": 0, "timelimit": [null, null], "root_id": "", "parent_id": null, '
    b'"parent_id": "", "argsrepr": "(\'ord-\', 1, \'/main\')", "kwargsrepr": "{}", "origin": "gen1@", '
    b'"ignore_result": true, "replaced_task_nesting": 0, "stamped_headers": null, "stamps": {}, '
    b'"x-due": "+00:00"}, "properties": {"correlation_id": "", "reply_to": "", "delivery_mode": 2, '
    b'"delivery_info": {"exchange": "", "routing_key": "poll."}, "priority": 3, "body_encoding": "utf-8", '
    b'"delivery_tag": ""}}'
)


@dataclass(frozen=True)
class DelayedStats:
    """What waits for its time in one queue."""

    count: int
    #: When the next message is due: seconds since the epoch, by Redis' clock. None when nothing waits.
    next_due: float | None
    #: By how many seconds that message is overdue. More than a tick or two means that no worker promotes.
    lag: float


def delayed_stats(client: "Redis", queues: Sequence[str], prefix: str = "") -> dict[str, DelayedStats]:
    """Per queue what waits for its time; `prefix` is the transport's `global_keyprefix`."""
    now, *numbers = script(client, "delayed_stats")(keys=[prefix + keys.waiting(queue) for queue in queues])
    answer = {}
    for queue, count, due in zip(queues, numbers[::2], numbers[1::2], strict=True):
        late = max(0.0, (now - due) / 1000) if count else 0.0
        answer[queue] = DelayedStats(count, due / 1000 if count else None, late)
    return answer


def script(client: "Redis", name: str) -> LuaScript:
    """A script of the transport."""
    return LuaScript(client, source("workers", name))


def without_eta(message: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return the message with its `eta` under another name, and milliseconds until then.

    The message is a copy, for kombu may put it again. Celery's protocol 2 has the `eta` among the headers, protocol 1
    in the body.
    """
    headers: dict[str, Any] = message.get("headers") or {}
    rest: dict[str, Any] = message
    if headers.get("eta") or "task" in headers:
        eta = parse_eta(headers.get("eta"))
        headers = {name: value for name, value in headers.items() if name != "eta"}
    else:
        eta, rest = _eta_of_body(message)
    if eta is None:  # none, or one that the worker has to judge
        return message, 0
    delay = (eta - datetime.now(UTC)).total_seconds()
    stripped: dict[str, Any] = {**rest, "headers": {**headers, "x-due": eta.isoformat()}}
    return stripped, max(0, ceil(delay * 1000))


def _eta_of_body(message: dict[str, Any]) -> tuple[datetime | None, dict[str, Any]]:
    """Return the `eta` of a message of protocol 1, and the message without it."""
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


def parse_eta(eta: Any) -> datetime | None:
    """Return when a message is due, or `None` where it does not say, or not so that it can be read."""
    try:
        parse_eta = datetime.fromisoformat(eta)
        return parse_eta.replace(tzinfo=UTC) if parse_eta.tzinfo is None else parse_eta.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def compress(text: bytes) -> bytes:
    """A message as it waits: about a quarter of its length."""
    # A window of 4 kB holds COMMON and a message, and takes an eighth of the memory of zlib's usual one.
    press = zlib.compressobj(wbits=12, memLevel=5, zdict=COMMON)
    return press.compress(text) + press.flush()


def plain(item: bytes, longest: int = 0) -> bytes:
    """A message as kombu writes it, which never begins like a compressed one. Raises zlib.error.

    Of a compressed one at most `longest` bytes; 0: all.
    """
    return item if item.startswith(b"{") else zlib.decompressobj(zdict=COMMON).decompress(item, longest)
