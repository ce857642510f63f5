"""The events of orders: the event feed and the source of callbacks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from willcall.orders.serialization import rfc3339
from willcall.schemas.base import utc
from willcall.schemas.orders import EventHeader
from willcall.stores import keys
from willcall.stores.codec import compact_json, milliseconds

if TYPE_CHECKING:
    from redis import Redis


def new_event_id() -> str:
    """Return an id for an event of a backend or of operators. All attempts to deliver it carry it as `webhook-id`."""
    return f"evt_{uuid4().hex}"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of the feed. `cursor` is its position; `occurred_at` is in epoch seconds."""

    cursor: str
    id: str
    type: str
    order_id: str
    occurred_at: float
    data: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return `schemas.orders.Event` as JSON: an item of the feed, and the body of a callback.

        The event and its change were written in one step, so the order was updated then.
        """
        header = EventHeader(id=self.id, type=self.type, order_id=self.order_id, occurred_at=utc(self.occurred_at))
        return {**header.to_json(), "data": {**self.data, "updated_at": rfc3339(self.occurred_at)}}


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A change of an order for the event feed and the callback. `data` is the order's JSON.

    `host`: of the address that it is sent to, `None` if there is none, empty if it is not known yet.
    """

    id: str
    type: str
    data: dict[str, Any]
    host: str | None = None


def event_arguments(event: NewEvent) -> dict[str, Any]:
    """Return the `event` that scripts are given; see `lua/feed.lua`."""
    arguments = {"id": event.id, "type": event.type, "data": compact_json(event.data)}
    return arguments if event.host is None else {**arguments, "host": event.host}


class EventStore:
    """The event feed in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def list_after(self, cursor: str | None, limit: int, client: str | None = None) -> list[StoredEvent]:
        """Return up to `limit` events after `cursor`, from the oldest stored one without it.

        With `client`, only a client's events, whose cursors are positions among these.
        """
        start = f"({cursor}" if cursor else "-"
        stream = keys.client_events(client) if client else keys.EVENTS
        entries = cast("list[tuple[str, dict[str, str]]]", self._redis.xrange(stream, start, "+", limit))
        if client is None:
            return [_event(entry, fields) for entry, fields in entries]
        pipe = self._redis.pipeline(transaction=False)
        for _, place in entries:
            pipe.xrange(keys.EVENTS, place["cursor"], place["cursor"])
        return [
            _event(entry, fields)
            for (entry, _), found in zip(entries, pipe.execute(), strict=True)
            for _, fields in found
        ]

    def any_after(self, positions: Sequence[tuple[str | None, str | None]]) -> list[bool]:
        """Return for each (client, cursor) whether the feed of the client, or of all, has an event after the cursor."""
        pipe = self._redis.pipeline(transaction=False)
        for client, cursor in positions:
            stream = keys.client_events(client) if client else keys.EVENTS
            pipe.xrange(stream, f"({cursor}" if cursor else "-", "+", 1)
        return [bool(found) for found in pipe.execute()]

    def latest(self, order_ids: Sequence[str]) -> list[str | None]:
        """Return the cursors of orders' latest events, in the same order."""
        pipe = self._redis.pipeline(transaction=False)
        for order_id in order_ids:
            pipe.hget(keys.order(order_id), "events")
        return [cursors.split()[-1] if cursors else None for cursors in pipe.execute()]

    def list_for_order(self, order_id: str) -> list[StoredEvent]:
        """Return the stored events of an order, oldest first."""
        cursors = cast("str | None", self._redis.hget(keys.order(order_id), "events"))
        pipe = self._redis.pipeline(transaction=False)
        for cursor in sorted((cursors or "").split(), key=_position):
            pipe.xrange(keys.EVENTS, cursor, cursor)
        return [_event(entry, fields) for reply in pipe.execute() for entry, fields in reply]

    def count(self) -> int:
        """Return how many events are stored."""
        return self._redis.xlen(keys.EVENTS)

    def prune(self, before: float) -> int:
        """Remove events older than an epoch second. Returns how many."""
        oldest = str(milliseconds(before))
        pipe = self._redis.pipeline(transaction=False)
        for client in cast("set[str]", self._redis.smembers(keys.CLIENTS)):
            pipe.xtrim(keys.client_events(client), minid=oldest, approximate=False)
        pipe.xtrim(keys.EVENTS, minid=oldest, approximate=False)
        return cast("int", pipe.execute()[-1])


def _position(cursor: str) -> tuple[int, ...]:
    """Return a cursor as numbers, by which cursors are in the order of the stream."""
    return tuple(map(int, cursor.split("-")))


def _event(entry: str, fields: dict[str, str]) -> StoredEvent:
    return StoredEvent(
        cursor=entry,
        id=fields["id"],
        type=fields["type"],
        order_id=fields["order_id"],
        occurred_at=int(fields["at"]) / 1_000,
        data=json.loads(fields["data"]),
    )
