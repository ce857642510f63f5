"""The events of orders: the event feed and the source of callbacks."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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


#: More erased events than have the time of a cursor, to the millisecond, but are before it.
SAME_MILLISECOND = 1_000


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
        if client is None:
            pipe = self._redis.pipeline()
            pipe.xrange(keys.EVENTS, start, "+", limit)
            pipe.zrangebyscore(keys.ERASED_EVENTS, _milliseconds(cursor), "+inf", start=0, num=limit + SAME_MILLISECOND)
            entries, erased = pipe.execute()
            events = [_event(entry, fields) for entry, fields in entries] + _erased_events(erased)
            later = [event for event in events if _position(event.cursor) > _position(cursor)]
            return sorted(later, key=lambda event: _position(event.cursor))[:limit]
        places = cast(
            "list[tuple[str, dict[str, str]]]", self._redis.xrange(keys.client_events(client), start, "+", limit)
        )
        found = self._get_many([place["cursor"] for _, place in places])
        return [replace(event, cursor=entry) for (entry, _), event in zip(places, found, strict=True) if event]

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
        in_order = sorted((cursors or "").split(), key=_position)
        return [event for event in self._get_many(in_order) if event]

    def count(self) -> int:
        """Return how many events are stored."""
        return self._redis.xlen(keys.EVENTS)

    def prune(self, before: float) -> int:
        """Remove events older than an epoch second. Returns how many."""
        oldest = str(milliseconds(before))
        pipe = self._redis.pipeline(transaction=False)
        for client in cast("set[str]", self._redis.smembers(keys.CLIENTS)):
            pipe.xtrim(keys.client_events(client), minid=oldest, approximate=False)
        pipe.zremrangebyscore(keys.ERASED_EVENTS, "-inf", f"({oldest}")
        pipe.xtrim(keys.EVENTS, minid=oldest, approximate=False)
        return cast("int", pipe.execute()[-1])

    def _get_many(self, cursors: Sequence[str]) -> list[StoredEvent | None]:
        """Return the events at these cursors, `None` for those that are no longer stored."""
        pipe = self._redis.pipeline()
        for cursor in cursors:
            pipe.xrange(keys.EVENTS, cursor, cursor)
            pipe.zrangebyscore(keys.ERASED_EVENTS, _milliseconds(cursor), _milliseconds(cursor))
        replies = pipe.execute()
        found = []
        for cursor, entries, erased in zip(cursors, replies[::2], replies[1::2], strict=True):
            events = [_event(*entry) for entry in entries] or _erased_events(erased)
            found.append(next((event for event in events if event.cursor == cursor), None))
        return found


def erased_event_text(event: StoredEvent, data: Mapping[str, Any]) -> str:
    """Return what is stored of an event of an erased order, with `data` instead of its own."""
    return compact_json([event.cursor, event.id, event.type, event.order_id, milliseconds(event.occurred_at), data])


def _erased_events(texts: Iterable[str]) -> list[StoredEvent]:
    return [
        StoredEvent(cursor, event_id, event_type, order_id, at / 1_000, data)
        for cursor, event_id, event_type, order_id, at, data in map(json.loads, texts)
    ]


def _position(cursor: str | None) -> tuple[int, int]:
    """Return a cursor as numbers, by which cursors are in the order of the stream."""
    milliseconds, _, number = (cursor or "0-0").partition("-")
    return int(milliseconds), int(number)


def _milliseconds(cursor: str | None) -> int:
    return _position(cursor)[0]


def _event(entry: str, fields: dict[str, str]) -> StoredEvent:
    return StoredEvent(
        cursor=entry,
        id=fields["id"],
        type=fields["type"],
        order_id=fields["order_id"],
        occurred_at=int(fields["at"]) / 1_000,
        data=json.loads(fields["data"]),
    )
