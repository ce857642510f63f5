"""Orders as they are stored: reading them, finding them, removing them after their retention."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from willcall.orders.model import Attempt, Order, Status
from willcall.orders.user_lists import Ownership
from willcall.orders.watching import WITHOUT_EVENT
from willcall.stores import keys
from willcall.stores.codec import attempt_from, hash_fields, milliseconds, order_from, reference_digest, seconds
from willcall.stores.scripts import NO_ARGUMENTS, load

if TYPE_CHECKING:
    from redis import Redis

#: A change that is found so many seconds later counts as one of now.
_RECENT = 3_600.0
#: How many fields of a hash are read in one call.
_MOST_FIELDS = 1_000


class OrderStore:
    """Orders in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._read_order = load(redis, "read_order")
        self._prune = load(redis, "prune")
        self._relist = load(redis, "relist")

    def get(self, order_id: str) -> Order | None:
        """Return an order, or `None`."""
        return self.get_many([order_id])[0]

    def get_many(self, order_ids: Sequence[str]) -> list[Order | None]:
        """Return orders by id, in the same order, in one round trip."""
        found = self._read_order.many(
            [
                ([keys.order(order_id), keys.spec(order_id), keys.tickets(order_id)], NO_ARGUMENTS)
                for order_id in order_ids
            ]
        )
        return [
            order_from(order_id, fields, spec, tickets) if spec or "erased" in fields else None
            for order_id, (flat, spec, tickets) in zip(order_ids, found, strict=True)
            for fields in [hash_fields(flat)]
        ]

    def client_of(self, order_id: str) -> str | None:
        """Return the client that an order belongs to, or `None`."""
        return cast("str | None", self._redis.hget(keys.order(order_id), "client"))

    def event_at(self, order_id: str) -> float | None:
        """Return when an order's event is, or `None`."""
        return seconds(self._redis.hget(keys.order(order_id), "event"))

    def timeline(self, order_id: str) -> list[Attempt]:
        """Return the order's attempts, oldest first."""
        lines = cast("list[str]", self._redis.lrange(keys.attempts(order_id), 0, -1))
        return [attempt_from(line) for line in reversed(lines)]

    def ownership(self, account: str, order_id: str, ticket_keys: Collection[str]) -> Ownership:
        """Return which of these tickets of an account belong to this order and which to others."""
        found = dict[str, str]()
        listed = sorted(ticket_keys)
        for first in range(0, len(listed), _MOST_FIELDS):
            some = listed[first : first + _MOST_FIELDS]
            owners = cast("list[str | None]", self._redis.hmget(keys.ticket_owners(account), some))
            found |= {key: owner for key, owner in zip(some, owners, strict=True) if owner}
        own = frozenset(key for key, owner in found.items() if owner == order_id)
        return Ownership(other_orders=frozenset(found) - own, this_order=own)

    def find_by_reference(self, account: str, reference: str) -> list[str]:
        """Return the ids of the orders of a reference: that last submitted, then those that share it, in any order."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hget(keys.references(account), reference)
        pipe.smembers(keys.sharing(account, reference_digest(reference)))
        last, sharers = pipe.execute()
        found = [*([last] if last else []), *sorted(sharers - {last})]
        for order_id in found:
            pipe.hmget(keys.order(order_id), ["status", "erased"])
        return [
            order_id for order_id, (status, erased) in zip(found, pipe.execute(), strict=True) if status and not erased
        ]

    def accounts(self, client: str | None = None) -> list[str]:
        """Return the keys of all accounts that ever had an order, or one of a client."""
        index = keys.client_accounts(client) if client else keys.ACCOUNTS
        return sorted(cast("set[str]", self._redis.smembers(index)))

    def clients(self) -> list[str]:
        """Return the names of all clients that ever had an order."""
        return sorted(cast("set[str]", self._redis.smembers(keys.CLIENTS)))

    def prune(
        self, before: float, count: int, *, own: Mapping[str, float] = MappingProxyType({}), offset: int = 0
    ) -> tuple[int, int, int]:
        """Remove final orders that ended, and whose event was, before an epoch second; `own` has others for accounts.

        Looks at `count` orders from `offset` on. An order whose backend is still to be notified counts as if it ended
        now. Returns how many it looked at, how many of them left their place, and how many of these were removed.
        """
        seen, gone, removed = self._prune(
            keys=[
                keys.FINAL,
                keys.ATTENTION,
                keys.LATE,
                keys.DELIVERIES_DUE,
                keys.ORPHANED_DOCUMENTS,
                keys.OPERATOR_DELIVERIES_DUE,
                keys.OPERATOR_DELIVERIES_PENDING,
                keys.CHANGES,
            ],
            args={
                "before": milliseconds(before),
                "own": {account: milliseconds(moment) for account, moment in own.items()},
                "latest": milliseconds(max(before, *own.values()) if own else before),
                "offset": offset,
                "count": count,
                "prefix": keys.PREFIX,
            },
        )
        return seen, gone, removed

    def relist(self, account: str, status: Status, offset: int, count: int) -> tuple[int, int]:
        """Correct the place of up to `count` orders of a status in the lists by event and by change.

        Returns how many were looked at, and how many had a wrong place or none.
        """
        seen, relisted = self._relist(
            keys=[keys.index(account, status), keys.order("")],
            args={
                "offset": offset,
                "count": count,
                "recent": milliseconds(_RECENT),
                "watched": milliseconds(WITHOUT_EVENT),
            },
        )
        return seen, relisted
