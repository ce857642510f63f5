"""Orders whose changes are to be looked at, and the events that follow from these changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from typing import TYPE_CHECKING, Any, cast

from willcall.orders.model import Order
from willcall.stores import keys
from willcall.stores.codec import change_fields, hash_fields, milliseconds, optional_milliseconds, order_from
from willcall.stores.deliveries import DeliveryMessage
from willcall.stores.events import NewEvent, event_arguments
from willcall.stores.scripts import NO_ARGUMENTS, Arguments, load

if TYPE_CHECKING:
    from redis import Redis

#: Fields of an order, one of which changes whenever its event may become another one. Its tickets are compared too.
_FENCE = ("seq", "attention", "notified", "events", "event", "updated")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order to look at. `fence` is what must be unchanged when its event is written."""

    order: Order
    fence: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """The result of a look at an order: the order with what its backend is notified of from now on.

    `event`: `None` if nothing is new. `look_at`: when to look again (epoch seconds), `None` if only after a change.
    """

    candidate: Candidate
    after: Order
    event: NewEvent | None
    look_at: float | None


class ChangeStore:
    """The index of such orders in Redis. It says when to look; what changed follows from the order."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._read_order = load(redis, "read_order")
        self._record_change = load(redis, "record_change")

    def due(self, now: float, offset: int, count: int) -> list[str]:
        """Return `count` orders to look at by now, from `offset` on."""
        return cast("list[str]", self._redis.zrangebyscore(keys.CHANGES, "-inf", milliseconds(now), offset, count))

    def read(self, order_ids: Sequence[str]) -> list[Candidate]:
        """Return these orders in one round trip. Those that are gone leave the index."""
        replies = self._read_order.many(
            [
                ([keys.order(order_id), keys.spec(order_id), keys.tickets(order_id)], NO_ARGUMENTS)
                for order_id in order_ids
            ]
        )
        found, gone = [], []
        for order_id, (flat, spec, tickets) in zip(order_ids, replies, strict=True):
            if not flat or not spec:
                gone.append(order_id)
                continue
            fields = hash_fields(flat)
            fence = {
                "expected": {name: fields.get(name, "") for name in _FENCE},
                "tickets": sha1((tickets or "").encode(), usedforsecurity=False).hexdigest(),
            }
            found.append(Candidate(order_from(order_id, fields, spec, tickets), fence))
        if gone:
            self._redis.zrem(keys.CHANGES, *gone)
        return found

    def write(self, changes: Sequence[Change]) -> list[DeliveryMessage]:
        """Write changes in one round trip. Returns the messages to send.

        An order that changed meanwhile stays in the index.
        """
        replies = self._record_change.many([_arguments(change) for change in changes])
        return [
            DeliveryMessage(change.after.id, *message)
            for change, (_, *message) in zip(changes, replies, strict=True)
            if message
        ]

    def look_at(self, order_id: str, at: float) -> None:
        """Look at an order at an epoch second, if not sooner."""
        self._redis.zadd(keys.CHANGES, {order_id: milliseconds(at)}, lt=True)

    def follow_settings(self, settings: str) -> None:
        """Look at all orders again if the settings that their times follow from are others than before."""
        before = self._redis.get(keys.CHANGES_SETTINGS)
        if before == settings:
            return
        pipe = self._redis.pipeline()
        if before is not None:
            pipe.zunionstore(keys.CHANGES, {keys.CHANGES: 0})
        pipe.set(keys.CHANGES_SETTINGS, settings)
        pipe.execute()


def _arguments(change: Change) -> tuple[list[str], Arguments]:
    before, after = change.candidate.order, change.after
    fields = change_fields(after)
    return [
        keys.order(after.id),
        keys.tickets(after.id),
        keys.CHANGES,
        keys.EVENTS,
        keys.delivery(after.id),
        keys.DELIVERIES_DUE,
        keys.DELIVERIES_PENDING,
        *([keys.client_events(after.client)] if after.client else []),
    ], {
        "id": after.id,
        **change.candidate.fence,
        "event": event_arguments(change.event) if change.event else None,
        "notified": after.notified,
        "fields": fields,
        "removed": [name for name in change_fields(before) if name not in fields] or None,
        "look_at": optional_milliseconds(change.look_at),
    }
