"""Lists of orders, newest first, in stable pages, and how many there are of each kind."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import TYPE_CHECKING

from willcall.orders.model import Attention, Order, Status
from willcall.stores import keys
from willcall.stores.codec import milliseconds
from willcall.stores.orders import OrderStore

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True, slots=True)
class Query:
    """Which orders to list. None stands for all; `attention` with an empty set for any reason."""

    status: Status | None = None
    provider: str | None = None
    attention: frozenset[Attention] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Orders, newest first, and the cursor of the next page (None on the last)."""

    orders: list[Order]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """An account's open orders: scheduled ahead, due by now, held because the account is parked."""

    waiting: int
    due: int
    held: int


class Listing:
    """Reads the indexes that the scripts keep."""

    def __init__(self, redis: "Redis", orders: OrderStore) -> None:
        """`orders` reads the orders behind the ids."""
        self._redis = redis
        self._orders = orders

    def page(self, query: Query, limit: int, cursor: str | None = None) -> Page:
        """One page of orders. Raises ValueError where the cursor is none of ours."""
        newest = _position(cursor)
        if query.attention is not None:
            return self._attention_page(query, limit, newest)
        entries = self._newest(self._indexes(query), newest, limit + 1)
        orders = [order for order in self._orders.get_many([name for name, _ in entries[:limit]]) if order]
        return Page(orders, _cursor(entries, limit))

    def counts(self, account: str) -> dict[Status, int]:
        """How many orders an account has of each status."""
        pipe = self._redis.pipeline(transaction=False)
        for status in Status:
            pipe.zcard(keys.index(account, status))
        return dict(zip(Status, pipe.execute(), strict=True))

    def backlog(self, account: str, now: float) -> Backlog:
        """How many of an account's orders wait, are due, are held."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zcard(keys.due(account))
        pipe.zcount(keys.due(account), "-inf", milliseconds(now))
        pipe.zcard(keys.held(account))
        scheduled, due, held = pipe.execute()
        return Backlog(scheduled - due, due, held)

    def _indexes(self, query: Query) -> list[str]:
        accounts = [
            account for account in self._orders.accounts() if query.provider in {None, account.partition("/")[0]}
        ]
        statuses = list(Status) if query.status is None else [query.status]
        return [keys.index(account, status) for account in accounts for status in statuses]

    def _newest(self, indexes: Iterable[str], newest: int | None, limit: int) -> list[tuple[str, float]]:
        """The `limit` newest entries of several indexes, older than `newest`."""
        pipe = self._redis.pipeline(transaction=False)
        top = "+inf" if newest is None else f"({newest}"
        for index in indexes:
            pipe.zrevrangebyscore(index, top, "-inf", start=0, num=limit, withscores=True)
        entries = (entry for reply in pipe.execute() for entry in reply)
        return [(entry[0], entry[1]) for entry in nlargest(limit, entries, key=lambda entry: entry[1])]

    def _attention_page(self, query: Query, limit: int, newest: int | None) -> Page:
        """Few orders need attention, so the other filters are applied to what the one index names."""
        found: list[tuple[str, float]] = []
        orders: list[Order] = []
        while len(orders) <= limit:
            entries = self._newest([keys.ATTENTION], newest, 500)
            if not entries:
                break
            for entry, order in zip(entries, self._orders.get_many([name for name, _ in entries]), strict=True):
                if order and _matches(order, query):
                    found.append(entry)
                    orders.append(order)
            newest = int(entries[-1][1])
        return Page(orders[:limit], _cursor(found, limit))


def _matches(order: Order, query: Query) -> bool:
    return (
        order.attention is not None
        and (not query.attention or order.attention in query.attention)
        and query.status in {None, order.status}
        and query.provider in {None, order.provider}
    )


def _cursor(entries: Sequence[tuple[str, float]], limit: int) -> str | None:
    return str(int(entries[limit - 1][1])) if len(entries) > limit else None


def _position(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 17):  # noqa: PLR2004 - exact in a double
        raise ValueError("not a cursor of this list")
    return int(cursor)
