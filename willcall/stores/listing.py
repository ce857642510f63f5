"""Lists of orders, newest first, in stable pages, and how many there are of each kind."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from willcall.orders.model import Attention, Order, Status
from willcall.stores import keys
from willcall.stores.codec import milliseconds, seconds
from willcall.stores.orders import OrderStore
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis

#: Orders that need attention are looked at so many at once: it takes Redis about a millisecond.
LOOK = 500
#: Of more orders that need attention, only the newest are looked at: the rest is counted.
SURVEYED = 20_000


@dataclass(frozen=True, slots=True)
class Query:
    """Which orders to list. None stands for all; `attention` with an empty set for any reason.

    `account` is an account's key, `<provider>/<account>`.
    """

    status: Status | None = None
    provider: str | None = None
    attention: frozenset[Attention] | None = None
    account: str | None = None


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


@dataclass(frozen=True, slots=True)
class Tally:
    """An account's orders by status and its backlog; `first`: which of those scheduled is due first.

    `first_due`: when that is, epoch seconds.
    """

    counts: Mapping[Status, int]
    backlog: Backlog
    first_due: float | None
    first: str | None


@dataclass(frozen=True, slots=True)
class Survey:
    """Orders that need attention: some of them, how many by account and reason, and how many at all.

    Where it is not `complete`, only the newest are in the tally.
    """

    orders: list[Order]
    tally: Mapping[tuple[str, Attention], int]
    total: int
    complete: bool


class _Mark(NamedTuple):
    """Which order needs attention, and why; `position` is its submission number."""

    order_id: str
    position: float
    provider: str
    account: str
    attention: Attention
    status: Status


class Listing:
    """Reads the indexes that the scripts keep."""

    def __init__(self, redis: "Redis", orders: OrderStore) -> None:
        """`orders` reads the orders behind the ids."""
        self._redis = redis
        self._orders = orders
        self._attention, self._survey = load(redis, "attention"), load(redis, "survey")

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

    def tallies(self, accounts: Sequence[str], now: float) -> list[Tally]:
        """The same and more of many accounts, in the same order and one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        for account in accounts:
            for status in Status:
                pipe.zcard(keys.index(account, status))
            pipe.zcard(keys.due(account))
            pipe.zcount(keys.due(account), "-inf", milliseconds(now))
            pipe.zcard(keys.held(account))
            pipe.zrange(keys.due(account), 0, 0, withscores=True)
        replies = iter(pipe.execute())
        found = []
        for _ in accounts:
            counts = {status: next(replies) for status in Status}
            scheduled, due, held, first = islice(replies, 4)
            order_id, first_due = first[0] if first else (None, None)
            found.append(Tally(counts, Backlog(scheduled - due, due, held), seconds(first_due), order_id))
        return found

    def overdue(self, query: Query, before: float, most: int) -> tuple[int, list[tuple[str, float]]]:
        """How many orders have been due since `before`, and the `most` that have been for longest, longest first.

        Of the query its provider and account count. Each is (id, since when); moments are epoch seconds.
        """
        pipe = self._redis.pipeline(transaction=False)
        for account in self._accounts(query):
            pipe.zcount(keys.due(account), "-inf", milliseconds(before))
            pipe.zrangebyscore(keys.due(account), "-inf", milliseconds(before), start=0, num=most, withscores=True)
        replies = pipe.execute()
        entries = [(order_id, due / 1_000) for reply in replies[1::2] for order_id, due in reply]
        return sum(replies[::2]), nsmallest(most, entries, key=lambda entry: entry[1])

    def _accounts(self, query: Query) -> list[str]:
        return [
            account
            for account in self._orders.accounts()
            if query.provider in {None, account.partition("/")[0]} and query.account in {None, account}
        ]

    def _indexes(self, query: Query) -> list[str]:
        statuses = list(Status) if query.status is None else [query.status]
        return [keys.index(account, status) for account in self._accounts(query) for status in statuses]

    def _newest(self, indexes: Iterable[str], newest: int | None, limit: int) -> list[tuple[str, float]]:
        """The `limit` newest entries of several indexes, older than `newest`."""
        pipe = self._redis.pipeline(transaction=False)
        top = "+inf" if newest is None else f"({newest}"
        for index in indexes:
            pipe.zrevrangebyscore(index, top, "-inf", start=0, num=limit, withscores=True)
        entries = (entry for reply in pipe.execute() for entry in reply)
        return [(entry[0], entry[1]) for entry in nlargest(limit, entries, key=lambda entry: entry[1])]

    def survey(self, parked: Collection[str], limit: int, most: int = SURVEYED) -> Survey:
        """The `limit` newest orders that need attention, and how many there are of each kind.

        Orders that are `unauthorized` because their account is (`parked`) are counted and not named. It looks at the
        `most` newest.
        """
        tally: Counter[tuple[str, Attention]] = Counter()
        named: list[str] = []
        top, looked = "+inf", 0
        while top and looked < most:
            count = min(LOOK, most - looked)
            last, counts, ids = self._survey(
                keys=[keys.ATTENTION, keys.order("")], args=[top, count, limit - len(named), *parked]
            )
            for at in range(0, len(counts), 3):
                tally[counts[at], Attention(counts[at + 1])] += counts[at + 2]
            named += ids
            top, looked = last and f"({last}", looked + count
        orders = [order for order in self._orders.get_many(named) if order and order.attention]
        total = self._redis.zcard(keys.ATTENTION)
        return Survey(orders, tally, total, complete=total <= most)

    def _attention_page(self, query: Query, limit: int, newest: int | None) -> Page:
        """Few orders need attention, so the other filters are applied to what the one index names."""
        found = [(mark.order_id, mark.position) for mark in _first(limit + 1, self._marks(newest), query)]
        orders = [order for order in self._orders.get_many([name for name, _ in found[:limit]]) if order]
        return Page(orders, _cursor(found, limit))

    def _marks(self, newest: int | None) -> Iterator[_Mark]:
        """All that need attention, newest first, older than `newest`."""
        top = "+inf" if newest is None else f"({newest}"
        while found := self._attention(keys=[keys.ATTENTION, keys.order("")], args=[top, LOOK]):
            rows = [found[at : at + 6] for at in range(0, len(found), 6)]
            for order_id, position, provider, account, attention, status in rows:
                if attention:
                    key = f"{provider}/{account}"
                    yield _Mark(order_id, float(position), provider, key, Attention(attention), Status(status))
            if len(rows) < LOOK:
                return
            top = f"({rows[-1][1]}"


def _first(count: int, marks: Iterable[_Mark], query: Query) -> Iterator[_Mark]:
    return islice((mark for mark in marks if _matches(mark, query)), count)


def _matches(mark: _Mark, query: Query) -> bool:
    return (
        (not query.attention or mark.attention in query.attention)
        and query.status in {None, mark.status}
        and query.provider in {None, mark.provider}
        and query.account in {None, mark.account}
    )


def _cursor(entries: Sequence[tuple[str, float]], limit: int) -> str | None:
    return str(int(entries[limit - 1][1])) if len(entries) > limit else None


def _position(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 17):  # noqa: PLR2004 - exact in a double
        raise ValueError("not a cursor of this list")
    return int(cursor)
