"""Lists of orders, newest first and in stable pages, and counts."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from itertools import islice
from typing import TYPE_CHECKING

from willcall.orders.model import Attention, Order, Status
from willcall.stores import keys
from willcall.stores.codec import milliseconds, seconds
from willcall.stores.orders import OrderStore

if TYPE_CHECKING:
    from redis import Redis

#: How many orders one round trip reads to filter them by reason and status.
LOOK = 500
#: Most digits of a cursor: a longer number would not be exact as the score of a sorted set.
_LONGEST_CURSOR = 16


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders to list; `None` stands for all. An empty `attention` means any reason.

    `account` is a key, `<provider>/<account>`. With `client`, the positions of a list are the client's own.
    """

    status: Status | None = None
    provider: str | None = None
    attention: frozenset[Attention] | None = None
    account: str | None = None
    client: str | None = None


@dataclass(frozen=True, slots=True)
class ListingPage:
    """Orders, newest first, and the cursor of the next page."""

    orders: list[Order]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class AccountBacklog:
    """An account's open orders: not due yet, due, or held because the account is stopped."""

    waiting: int
    due: int
    held: int


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """An account's orders by status, its backlog, and its first scheduled order, due at an epoch second."""

    counts: Mapping[Status, int]
    backlog: AccountBacklog
    first_due: float | None
    first: str | None


@dataclass(frozen=True, slots=True)
class AttentionSummary:
    """Orders that need attention, and how many there are by account and reason."""

    orders: list[Order]
    counts: Mapping[tuple[str, Attention], int]

    @property
    def total(self) -> int:
        """How many orders need attention."""
        return sum(self.counts.values())


class OrderListing:
    """Lists from the indexes that the scripts maintain."""

    def __init__(self, redis: "Redis", orders: OrderStore) -> None:
        self._redis = redis
        self._orders = orders

    def page(self, query: OrderFilter, limit: int, cursor: str | None = None) -> ListingPage:
        """Return a page of orders. Raises ValueError for an invalid cursor."""
        entries = self._entries(query, _position(cursor), limit + 1)
        orders = [order for order in self._orders.get_many([name for name, _ in entries[:limit]]) if order]
        return ListingPage(orders, _cursor(entries, limit))

    def counts(self, account: str, client: str | None = None) -> dict[Status, int]:
        """Return how many orders an account has by status, or a client at that account."""
        pipe = self._redis.pipeline(transaction=False)
        for status in Status:
            pipe.zcard(keys.index(account, status, client))
        return dict(zip(Status, pipe.execute(), strict=True))

    def backlog(self, account: str, now: float) -> AccountBacklog:
        """Return an account's backlog."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zcard(keys.due(account))
        pipe.zcount(keys.due(account), "-inf", milliseconds(now))
        pipe.zcard(keys.held(account))
        scheduled, due, held = pipe.execute()
        return AccountBacklog(scheduled - due, due, held)

    def summaries(self, accounts: Sequence[str], now: float) -> list[AccountSummary]:
        """Return the summaries of accounts, in the same order and one round trip."""
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
            found.append(
                AccountSummary(counts, AccountBacklog(scheduled - due, due, held), seconds(first_due), order_id)
            )
        return found

    def attention_counts(self) -> dict[tuple[str, Attention], int]:
        """Return how many orders need attention by account and reason. Zeros are left out."""
        kinds = [(account, reason) for account in self._orders.accounts() for reason in Attention]
        pipe = self._redis.pipeline(transaction=False)
        for account, reason in kinds:
            pipe.zcard(keys.attention(account, reason))
        return {kind: count for kind, count in zip(kinds, pipe.execute(), strict=True) if count}

    def attention_summary(self, parked: Collection[str], limit: int) -> AttentionSummary:
        """Return the `limit` newest orders that need attention, and the counts of all.

        Orders that are `unauthorized` because their account is stopped (`parked`) are counted but not listed.
        """
        tally = self.attention_counts()
        named = self._newest(
            [
                keys.attention(account, reason)
                for account, reason in tally
                if reason is not Attention.UNAUTHORIZED or account not in parked
            ],
            None,
            limit,
        )
        orders = self._orders.get_many([order_id for order_id, _ in named])
        return AttentionSummary([order for order in orders if order and order.attention], tally)

    def _entries(self, query: OrderFilter, newest: int | None, limit: int) -> list[tuple[str, float]]:
        """Return the `limit` newest orders of a query, older than `newest`, with their submission numbers."""
        indexes = self._indexes(query)
        if query.attention is None or query.status is None:
            return self._newest(indexes, newest, limit)
        found: list[tuple[str, float]] = []
        while len(found) < limit and (looked := self._newest(indexes, newest, LOOK)):
            found += self._of_status(query.status, looked)
            newest = int(looked[-1][1])
        return found[:limit]

    def _of_status(self, status: Status, entries: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
        pipe = self._redis.pipeline(transaction=False)
        for order_id, _ in entries:
            pipe.hget(keys.order(order_id), "status")
        return [entry for entry, is_ in zip(entries, pipe.execute(), strict=True) if is_ == status]

    def overdue(self, query: OrderFilter, before: float, most: int) -> tuple[int, list[tuple[str, float]]]:
        """Return how many orders have been due since `before`, and the `most` that have been due for longest.

        Only the query's provider and account count. Each entry is (id, since when); moments are epoch seconds.
        """
        pipe = self._redis.pipeline(transaction=False)
        for account in self._accounts(query):
            pipe.zcount(keys.due(account), "-inf", milliseconds(before))
            pipe.zrangebyscore(keys.due(account), "-inf", milliseconds(before), start=0, num=most, withscores=True)
        replies = pipe.execute()
        entries = [(order_id, due / 1_000) for reply in replies[1::2] for order_id, due in reply]
        return sum(replies[::2]), nsmallest(most, entries, key=lambda entry: entry[1])

    def _accounts(self, query: OrderFilter) -> list[str]:
        return [
            account
            for account in self._orders.accounts(query.client)
            if query.provider in {None, account.partition("/")[0]} and query.account in {None, account}
        ]

    def _indexes(self, query: OrderFilter) -> list[str]:
        """Return the indexes of a query: by reason if it asks for attention, else by status."""
        accounts, client = self._accounts(query), query.client
        if query.attention is not None:
            reasons = query.attention or Attention
            return [keys.attention(account, reason, client) for account in accounts for reason in reasons]
        statuses = list(Status) if query.status is None else [query.status]
        return [keys.index(account, status, client) for account in accounts for status in statuses]

    def _newest(self, indexes: Iterable[str], newest: int | None, limit: int) -> list[tuple[str, float]]:
        """Return the `limit` newest entries of several indexes, older than `newest`."""
        pipe = self._redis.pipeline(transaction=False)
        top = "+inf" if newest is None else f"({newest}"
        for index in indexes:
            pipe.zrevrangebyscore(index, top, "-inf", start=0, num=limit, withscores=True)
        entries = (entry for reply in pipe.execute() for entry in reply)
        return [(entry[0], entry[1]) for entry in nlargest(limit, entries, key=lambda entry: entry[1])]


def _cursor(entries: Sequence[tuple[str, float]], limit: int) -> str | None:
    return str(int(entries[limit - 1][1])) if len(entries) > limit else None


def _position(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _LONGEST_CURSOR):
        raise ValueError("not a cursor of this list")
    return int(cursor)
