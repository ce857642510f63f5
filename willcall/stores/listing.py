"""Lists of orders in stable pages, newest first or by their event or last change, and counts."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from willcall.orders.model import OPEN, Attention, Order, Status
from willcall.stores import keys
from willcall.stores.codec import milliseconds, seconds, updated_at
from willcall.stores.dated_lists import MOST_LOOKED, DatedMember, DatedSpan, count_dated, read_dated
from willcall.stores.orders import OrderStore

if TYPE_CHECKING:
    from redis import Redis

#: How many orders one round trip reads to filter them by reason and status.
LOOK = 500
#: Most digits of a cursor: a longer number would not be exact as the score of a sorted set.
_LONGEST_CURSOR = 16


class SubmissionFilter(Protocol):
    """Which orders to list by what was submitted."""

    def matches(self, order_id: str, provider: str, submitted: Mapping[str, Any]) -> bool:
        """Return whether an order matches; `submitted` is empty if it was erased (see `codec.spec_of`)."""


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders to list; `None` stands for all. An empty `attention` means any reason.

    `account` is a key, `<provider>/<account>`. With `client`, the positions of a list are the client's own. `open_only`
    leaves out final orders. Moments are epoch seconds: `event_after`, `updated_since` and `submitted_after` include
    theirs, `event_before` and `submitted_before` do not. Orders without an event match neither.
    """

    status: Status | None = None
    provider: str | None = None
    attention: frozenset[Attention] | None = None
    account: str | None = None
    client: str | None = None
    open_only: bool = False
    event_before: float | None = None
    event_after: float | None = None
    updated_since: float | None = None
    group: str | None = None
    submitted_after: float | None = None
    submitted_before: float | None = None
    submission: SubmissionFilter | None = None

    @property
    def by_event(self) -> bool:
        """Whether the list is by event, the soonest first."""
        return self.event_before is not None or self.event_after is not None

    @property
    def needs_scan(self) -> bool:
        """Whether no index has the answer, so that orders are read one by one."""
        several_indexes = self.attention is not None and (self.status is not None or self.open_only)
        others = (self.group, self.submitted_after, self.submitted_before, self.submission)
        return several_indexes or any(value is not None for value in others)

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Return whether an order matches, by its fields in Redis: the group and the submission are not among them."""
        if "status" not in fields:  # it was removed meanwhile
            return False
        event = seconds(fields.get("event"))
        wanted = {"status": self.status, "provider": self.provider, "client": self.client}
        return (
            all(value is None or fields.get(name) == value for name, value in wanted.items())
            and self.account in {None, f"{fields['provider']}/{fields['account']}"}
            and (not self.open_only or fields["status"] in OPEN)
            and (self.attention is None or fields.get("attention") in (self.attention or set(Attention)))
            and (not self.by_event or event is not None)
            and (self.event_before is None or (event or 0.0) < self.event_before)
            and (self.event_after is None or (event or 0.0) >= self.event_after)
            and (self.updated_since is None or updated_at(fields) >= self.updated_since)
            and (self.submitted_after is None or int(fields["submitted"]) / 1_000 >= self.submitted_after)
            and (self.submitted_before is None or int(fields["submitted"]) / 1_000 < self.submitted_before)
        )


#: The fields that `OrderFilter.matches` needs.
_FIELDS = (
    "provider",
    "account",
    "client",
    "status",
    "attention",
    "event",
    "submitted",
    "updated",
    "finished",
    "attention_at",
)


@dataclass(frozen=True, slots=True)
class ListingPage:
    """Orders in the order of the list, and the cursor of the next page."""

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
        """Return a page of orders: by event or by their last change if the query is about these, else newest first.

        Raises ValueError for an invalid cursor.
        """
        if query.by_event or query.updated_since is not None:
            members, following = self._dated(query, limit, cursor)
            names = [member.order_id for member in members]
        else:
            entries, following = self._entries(query, _position(cursor), limit)
            names = [name for name, _ in entries]
        return ListingPage([order for order in self._orders.get_many(names) if order], following)

    def events_ahead(self, accounts: Sequence[str], bounds: Sequence[float]) -> list[list[int]]:
        """Return how many open orders of each account have their event before the first bound, ..., after the last."""
        return count_dated(self._redis, [keys.by_event(account, is_open=True) for account in accounts], bounds)

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

    def _entries(
        self, query: OrderFilter, newest: int | None, limit: int
    ) -> tuple[list[tuple[str, float]], str | None]:
        """Return the newest orders of a query, older than `newest`, with their submission numbers; and the cursor.

        After so many orders that do not match, a page ends. Its cursor leads to the rest.
        """
        indexes = self._indexes(query)
        if not query.needs_scan:
            entries = self._newest(indexes, newest, limit + 1)
            return entries[:limit], _cursor(entries, limit)
        found: list[tuple[str, float]] = []
        for _ in range(MOST_LOOKED // LOOK):
            looked = self._newest(indexes, newest, LOOK)
            wanted = self._matching(query, [order_id for order_id, _ in looked])
            found += [entry for entry in looked if entry[0] in wanted]
            if len(found) > limit:
                return found[:limit], _cursor(found, limit)
            if len(looked) < LOOK:
                return found, None
            newest = int(looked[-1][1])
        return found, str(newest)

    def _dated(self, query: OrderFilter, limit: int, cursor: str | None) -> tuple[list[DatedMember], str | None]:
        """Return the orders of a list by event or last change, and the cursor of those behind them."""
        accounts, client = self._accounts(query), query.client
        if query.by_event:
            only_open = query.open_only or query.status in OPEN
            states = [True] if only_open else [True, False]
            lists = [keys.by_event(each, is_open=state, client=client) for each in accounts for state in states]
            field, span = "event", DatedSpan(lists, query.event_after, query.event_before, cursor)
        else:
            lists = [keys.by_change(each, client) for each in accounts]
            field, span = "updated", DatedSpan(lists, query.updated_since, None, cursor)

        def matching(looked: Sequence[DatedMember]) -> list[DatedMember]:
            """Keep the members that match. One that is outdated, as its order stands elsewhere now, does not."""
            wanted = self._matching(query, [member.order_id for member in looked])
            found = [
                member
                for member in looked
                if member.order_id in wanted and wanted[member.order_id].get(field) == str(member.at)
            ]
            return self._of_group(query, found)

        return read_dated(self._redis, span, limit, matching)

    def _matching(self, query: OrderFilter, order_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the orders that match in all but the group, with the fields that `OrderFilter.matches` needs."""
        states = zip(order_ids, self._read_fields(order_ids), strict=True)
        found = {order_id: fields for order_id, fields in states if query.matches(fields)}
        if query.submission is None or not found:
            return found
        specs = self._redis.mget([keys.spec(order_id) for order_id in found])
        return {
            order_id: fields
            for (order_id, fields), spec in zip(found.items(), specs, strict=True)
            if query.submission.matches(order_id, fields["provider"], json.loads(spec) if spec else {})
        }

    def _read_fields(self, order_ids: Sequence[str]) -> list[dict[str, str]]:
        """Return of each order the fields that `OrderFilter.matches` needs, empty if it does not exist."""
        pipe = self._redis.pipeline(transaction=False)
        for order_id in order_ids:
            pipe.hmget(keys.order(order_id), _FIELDS)
        return [
            {name: value for name, value in zip(_FIELDS, values, strict=True) if value is not None}
            for values in pipe.execute()
        ]

    def _of_group(self, query: OrderFilter, members: list[DatedMember]) -> list[DatedMember]:
        if query.group is None:
            return members
        pipe = self._redis.pipeline(transaction=False)
        for member in members:
            pipe.zscore(keys.group(query.group, query.client), member.order_id)
        return [member for member, number in zip(members, pipe.execute(), strict=True) if number is not None]

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
        if query.group is not None:
            return [keys.group(query.group, client)]
        if query.attention is not None:
            reasons = query.attention or Attention
            return [keys.attention(account, reason, client) for account in accounts for reason in reasons]
        every = [status for status in Status if status in OPEN or not query.open_only]
        statuses = every if query.status is None else [query.status]
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
