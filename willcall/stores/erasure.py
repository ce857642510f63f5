"""Erased orders: forgotten but for their id, times and outcomes. Later pushes about them are refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from secrets import token_hex
from typing import TYPE_CHECKING, cast

from willcall.orders.model import Attempt, Order
from willcall.stores import keys
from willcall.stores.codec import attempt_text, compact_json, milliseconds
from willcall.stores.inbox import place_name
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis

#: Seconds after an erasure when the order's files are removed once more: any worker that was storing one has ended.
FILES_REMOVED_AGAIN_AFTER = 3_600.0
#: Fields of an order's hash that stay.
_KEPT = (
    *("provider", "account", "status", "seq", "number", "attempts", "ended_by", "client", "client_number"),
    *("submitted", "updated", "event", "deadline", "finished"),
)


class EraseOutcome(StrEnum):
    """What came of an erasure; see `lua/erase.lua`."""

    ERASED = "erased"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What to erase: an order as it was read, and its events without their content, as JSON by cursor.

    `spare`: documents of the account with the same content as the order's, by the SHA-256 of it.
    """

    order: Order
    entry: Attempt
    emptied: Mapping[str, str] = field(default_factory=dict)
    spare: Mapping[str, str] = field(default_factory=dict)


class ErasureStore:
    """Erasures in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._erase = load(redis, "erase")

    def event_cursors(self, order_id: str) -> str:
        """Return the cursors of an order's events, as the order has them."""
        return cast("str | None", self._redis.hget(keys.order(order_id), "events")) or ""

    def erase(self, erasure: Erasure, events: str) -> EraseOutcome:
        """Erase an order. `events`: what `event_cursors` returned before the events were read."""
        order, account, secret = erasure.order, erasure.order.account_key, self._secret()
        owned = cast("set[str]", self._redis.smembers(keys.owned_tickets(order.id)))
        return EraseOutcome(
            self._erase(
                keys=[
                    keys.FINAL,
                    keys.ATTENTION,
                    keys.EVENTS,
                    keys.ERASED_EVENTS,
                    keys.ERASED_REFERENCES,
                    keys.ERASED,
                ],
                args={
                    "id": order.id,
                    "prefix": keys.PREFIX,
                    "seq": order.seq,
                    "events": events,
                    "sweep_in": milliseconds(FILES_REMOVED_AGAIN_AFTER),
                    "reference": order.reference,
                    "mark": _mark(secret, account, order.reference),
                    "place": place_name(account, order.reference),
                    "entry": attempt_text(erasure.entry),
                    "emptied": list(erasure.emptied.items()),
                    "owned": {ticket: _mark(secret, account, ticket) for ticket in owned},
                    "spare": dict(erasure.spare),
                    "groups": [keys.group(order.group, client) for client in (None, order.client)]
                    if order.group
                    else [],
                    "kept": dict.fromkeys(_KEPT, True),
                },
            )
        )

    def marks(self, account: str, texts: Sequence[str]) -> list[str]:
        """Return the keyed hashes of references or tickets of an account; none if no order was ever erased."""
        secret = cast("str | None", self._redis.get(keys.ERASURE_KEY))
        return [_mark(secret, account, text) for text in texts] if secret else []

    def is_erased(self, account: str, reference: str) -> bool:
        """Return whether an order of a reference was erased, and none was submitted with it since."""
        marks = self.marks(account, [reference])
        return bool(marks) and self._redis.zscore(keys.ERASED_REFERENCES, marks[0]) is not None

    def to_sweep(self, now: float, count: int) -> list[str]:
        """Return erased orders whose files are to be removed for good, at an epoch second."""
        due = self._redis.zrangebyscore(keys.ERASED, "-inf", milliseconds(now), start=0, num=count)
        return cast("list[str]", due)

    def forget_references(self, before: float) -> int:
        """Remove the keyed hashes of references that were erased before an epoch second. Returns how many."""
        return int(self._redis.zremrangebyscore(keys.ERASED_REFERENCES, "-inf", milliseconds(before)))

    def _secret(self) -> str:
        self._redis.set(keys.ERASURE_KEY, token_hex(32), nx=True)
        return cast("str", self._redis.get(keys.ERASURE_KEY))


def _mark(secret: str, account: str, text: str) -> str:
    """Return the keyed hash of a text. Without the key, nobody can try out which text it was."""
    return blake2b(compact_json([account, text]).encode(), key=bytes.fromhex(secret), digest_size=16).hexdigest()
