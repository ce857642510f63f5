"""Deliver the latest events of many orders again, such as after a backend lost what it received."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from willcall.orders.errors import ErasedOrderError, NothingToDeliverError, UnknownOrderError
from willcall.orders.history import Action, Actor
from willcall.orders.model import Attention
from willcall.orders.serialization import rfc3339
from willcall.stores.listing import OrderFilter
from willcall.usecases.context import Context
from willcall.usecases.history import record_action
from willcall.usecases.notify import redeliver

log = structlog.get_logger(__name__)

#: How many events or orders are read at once.
_BATCH = 200
#: Most orders of one call, and seconds that it takes about. Another one continues.
MOST_ORDERS, BUDGET = 10_000, 15.0

#: Cursors: of events, and of deliveries.
_EVENT = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")
_PLACE = re.compile(r"(pending|undeliverable):[0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class Redelivery:
    """Which orders are meant.

    `since`: with an event since then (epoch seconds). `undelivered`: only those whose latest event was not delivered.
    `client`: only that client's, `None` for all.
    """

    since: float | None = None
    undelivered: bool = False
    client: str | None = None


@dataclass(frozen=True, slots=True)
class RedeliveryResult:
    """How many orders' events are delivered again, and how many have none. `next_cursor`: where a call continues."""

    redelivered: int
    skipped: int
    next_cursor: str | None


def redeliver_many(
    context: Context, wanted: Redelivery, actor: Actor, cursor: str | None = None, budget: float = BUDGET
) -> RedeliveryResult:
    """Deliver the latest event of each of these orders again, for `budget` seconds. Events keep their ids.

    `cursor`: of an earlier call that was not finished. Raises ValueError if it is none.
    """
    until = time.monotonic() + budget
    redelivered = skipped = 0
    next_cursor: str | None = None
    for order_ids, behind in _pages(context, wanted, cursor):
        next_cursor = behind
        for order_id in order_ids:
            try:
                redeliver(context, order_id, actor)
                redelivered += 1
            except (NothingToDeliverError, UnknownOrderError, ErasedOrderError):
                skipped += 1
        if redelivered + skipped >= MOST_ORDERS or time.monotonic() >= until:
            break
    else:
        next_cursor = None
    if redelivered:
        since = f" since {rfc3339(wanted.since)}" if wanted.since is not None else ""
        of = f" of client {wanted.client}" if wanted.client else ""
        events = "event" if redelivered == 1 else "events"
        what = f"{redelivered:,} {'undelivered' if wanted.undelivered else 'latest'} {events}{of}{since}"
        record_action(context, Action.REDELIVERED, actor, what)
        log.info("redelivered", orders=redelivered, skipped=skipped, undelivered=wanted.undelivered, by=actor.name)
    return RedeliveryResult(redelivered, skipped, next_cursor)


def _pages(context: Context, wanted: Redelivery, cursor: str | None) -> Iterator[tuple[list[str], str | None]]:
    """Yield orders, each with the cursor behind them. A cursor names its list, then a position in it."""
    if cursor and not (_PLACE if wanted.undelivered else _EVENT).fullmatch(cursor):
        raise ValueError("not a cursor of these redeliveries")
    if not wanted.undelivered:
        yield from _with_events(context, wanted, cursor)
        return
    where, _, position = (cursor or "pending:").partition(":")
    if where == "pending":
        yield from _pending(context, wanted, position)
        position = ""
    yield from _undeliverable(context, wanted, position)


def _with_events(context: Context, wanted: Redelivery, cursor: str | None) -> Iterator[tuple[list[str], str | None]]:
    """Yield the orders with an event since a time, each where its latest event is."""
    started = context.stores.accounts.now()
    after = cursor or f"{max(0, int((wanted.since or 0.0) * 1_000) - 1)}-18446744073709551615"
    while events := context.stores.events.list_after(after, _BATCH):
        after = events[-1].cursor
        mine = [event for event in events if wanted.client in {None, event.data.get("client")}]
        mine = [event for event in mine if event.occurred_at <= started]
        latest = context.stores.events.latest([event.order_id for event in mine])
        yield [event.order_id for event, last in zip(mine, latest, strict=True) if event.cursor == last], after


def _pending(context: Context, wanted: Redelivery, position: str) -> Iterator[tuple[list[str], str | None]]:
    """Yield the orders whose event is pending, the oldest first."""
    after = float(position) / 1_000 if position else None
    while found := context.stores.deliveries.pending_after(after, _BATCH):
        after = found[-1][1]
        order_ids = [order_id for order_id, since in found if since >= (wanted.since or 0.0)]
        yield [each for each in order_ids if _is_wanted(context, wanted, each)], f"pending:{round(after * 1_000)}"


def _undeliverable(context: Context, wanted: Redelivery, position: str) -> Iterator[tuple[list[str], str | None]]:
    """Yield the orders whose event was given up."""
    query, after = OrderFilter(attention=frozenset({Attention.UNDELIVERABLE}), client=wanted.client), position or None
    while True:
        page = context.stores.listing.page(query, _BATCH, after)
        after = page.next_cursor
        yield (
            [order.id for order in page.orders if _is_recent(context, wanted, order.id)],
            f"undeliverable:{after}" if after else None,
        )
        if after is None:
            return


def _is_wanted(context: Context, wanted: Redelivery, order_id: str) -> bool:
    return wanted.client is None or context.stores.orders.client_of(order_id) == wanted.client


def _is_recent(context: Context, wanted: Redelivery, order_id: str) -> bool:
    if wanted.since is None:
        return True
    events = context.stores.events.list_for_order(order_id)
    return bool(events) and events[-1].occurred_at >= wanted.since
