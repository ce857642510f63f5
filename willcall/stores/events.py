"""The event stream: outbox and feed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from willcall.schemas.base import utc
from willcall.schemas.orders import EventHeader
from willcall.stores import keys
from willcall.stores.codec import milliseconds

if TYPE_CHECKING:
    from redis import Redis


def new_event_id() -> str:
    """An id for an event, of backends or of operators; it is the `webhook-id` of all tries to tell of it."""
    return f"evt_{uuid4().hex}"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of the stream. `cursor` is its place in the feed; `occurred_at` epoch seconds."""

    cursor: str
    id: str
    type: str
    order_id: str
    occurred_at: float
    data: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return `schemas.orders.Event` as JSON: an item of the feed, and the body of a callback."""
        header = EventHeader(id=self.id, type=self.type, order_id=self.order_id, occurred_at=utc(self.occurred_at))
        return {**header.to_json(), "data": self.data}


class EventStore:
    """Events in Redis."""

    def __init__(self, redis: "Redis") -> None:
        """`redis` decodes responses."""
        self._redis = redis

    def list_after(self, cursor: str | None, limit: int) -> Iterator[StoredEvent]:
        """Up to `limit` events behind `cursor` (None: from the oldest kept)."""
        start = f"({cursor}" if cursor else "-"
        entries = cast("list[tuple[str, dict[str, str]]]", self._redis.xrange(keys.EVENTS, start, "+", limit))
        for entry, fields in entries:
            yield _event(entry, fields)

    def list_for_order(self, order_id: str) -> list[StoredEvent]:
        """The events of an order that are kept, oldest first."""
        cursors = cast("str | None", self._redis.hget(keys.order(order_id), "events"))
        pipe = self._redis.pipeline(transaction=False)
        for cursor in (cursors or "").split():
            pipe.xrange(keys.EVENTS, cursor, cursor)
        return [_event(entry, fields) for reply in pipe.execute() for entry, fields in reply]

    def count(self) -> int:
        """How many events are kept."""
        return self._redis.xlen(keys.EVENTS)

    def prune(self, before: float) -> int:
        """Forget events older than `before` (epoch seconds); how many it were."""
        return self._redis.xtrim(keys.EVENTS, minid=str(milliseconds(before)), approximate=False)


def _event(entry: str, fields: dict[str, str]) -> StoredEvent:
    return StoredEvent(
        cursor=entry,
        id=fields["id"],
        type=fields["type"],
        order_id=fields["order_id"],
        occurred_at=int(fields["at"]) / 1_000,
        data=json.loads(fields["data"]),
    )
