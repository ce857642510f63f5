"""Lists of orders by the time of their event, or by their last change: the earliest first, in exact pages."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from willcall.stores.codec import milliseconds

if TYPE_CHECKING:
    from redis import Redis

#: How many members one round trip reads.
LOOK = 500
#: After so many members that do not match, a page ends. Its cursor leads to the rest.
MOST_LOOKED = 20 * LOOK
#: `<ms, 16 digits>:<id>`; see `lua/dated_lists.lua`.
_MEMBER = re.compile(r"[0-9]{16}:.{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DatedMember:
    """An order in such a list, and the moment that it stands there for (ms)."""

    order_id: str
    at: int
    text: str


def dated_member(text: str) -> DatedMember:
    """Return a member from its text, which is also a cursor. Raises ValueError."""
    if not _MEMBER.fullmatch(text):
        raise ValueError("not a cursor of this list")
    at, _, order_id = text.partition(":")
    return DatedMember(order_id, int(at), text)


@dataclass(frozen=True, slots=True)
class DatedSpan:
    """What to read of several lists: from `since` on and before `before` (epoch seconds), behind the cursor."""

    lists: Sequence[str]
    since: float | None
    before: float | None
    cursor: str | None


def read_dated(
    redis: "Redis", span: DatedSpan, limit: int, matching: Callable[[Sequence[DatedMember]], Sequence[DatedMember]]
) -> tuple[list[DatedMember], str | None]:
    """Return up to `limit` members that `matching` keeps, and the cursor of those behind them.

    Raises ValueError for an invalid cursor.
    """
    low = f"({dated_member(span.cursor).text}" if span.cursor else _bound(span.since, "[") or "-"
    high = _bound(span.before, "(") or "+"
    found: list[DatedMember] = []
    for _ in range(MOST_LOOKED // LOOK):
        looked = _first(redis, span.lists, low, high)
        found += matching(looked)
        if len(found) > limit:
            return found[:limit], found[limit - 1].text
        if len(looked) < LOOK:
            return found, None
        low = f"({looked[-1].text}"
    return found, low[1:]


def count_dated(redis: "Redis", lists: Sequence[str], bounds: Sequence[float]) -> list[list[int]]:
    """Return how many members each list has before the first of the ascending `bounds`, between each two, and after."""
    pipe = redis.pipeline(transaction=False)
    edges = ["-", *(_bound(bound, "(") for bound in bounds), "+"]
    for name in lists:
        for low, high in pairwise(edges):
            pipe.zlexcount(name, low.replace("(", "["), high)
    counts = pipe.execute()
    width = len(edges) - 1
    return [counts[at : at + width] for at in range(0, len(counts), width)]


def _first(redis: "Redis", lists: Sequence[str], low: str, high: str) -> list[DatedMember]:
    pipe = redis.pipeline(transaction=False)
    for name in lists:
        pipe.zrangebylex(name, low, high, start=0, num=LOOK)
    return [dated_member(text) for text in nsmallest(LOOK, chain.from_iterable(pipe.execute()))]


def _bound(moment: float | None, sign: str) -> str:
    """Return where a moment is between members: before all that have it."""
    return "" if moment is None else f"{sign}{milliseconds(max(0.0, moment)):016d}:"
