"""What people did: entries in orders' timelines, and lists for accounts and for the whole installation."""

import json
from collections.abc import Iterable
from heapq import merge
from typing import TYPE_CHECKING, cast

from willcall.orders.history import HistoryEntry
from willcall.orders.model import Attempt
from willcall.stores import keys
from willcall.stores.codec import attempt_text, compact_json, milliseconds
from willcall.stores.commits import TIMELINE
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis

#: How many entries are kept for each account, and for the installation; the newest.
KEPT = 100


class HistoryStore:
    """Histories in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._append = load(redis, "append_history")

    def append_to_order(self, order_id: str, entry: Attempt) -> bool:
        """Append an entry to an order's timeline. Returns whether there is such an order.

        A step that commits a change of the order writes its entry with it instead (`Commit.attempt`).
        """
        args = {"entry": attempt_text(entry), "most": TIMELINE}
        return bool(self._append(keys=[keys.order(order_id), keys.attempts(order_id)], args=args))

    def append(self, entry: HistoryEntry) -> None:
        """Append an entry to the history of its account, or of the installation."""
        key = keys.history(entry.account)
        with self._redis.pipeline() as pipe:
            pipe.lpush(key, compact_json([milliseconds(entry.at), entry.action, entry.by, entry.detail]))
            pipe.ltrim(key, 0, KEPT - 1)
            pipe.execute()

    def newest(self, accounts: Iterable[str], *, installation: bool = True) -> list[HistoryEntry]:
        """Return the entries of these accounts, and those of the installation, newest first."""
        subjects = [*([None] if installation else []), *accounts]
        with self._redis.pipeline(transaction=False) as pipe:
            for account in subjects:
                pipe.lrange(keys.history(account), 0, -1)
            found = cast("list[list[str]]", pipe.execute())
        histories = [[_entry(line, account) for line in lines] for account, lines in zip(subjects, found, strict=True)]
        return list(merge(*histories, key=lambda entry: entry.at, reverse=True))


def _entry(line: str, account: str | None) -> HistoryEntry:
    at, action, by, detail = json.loads(line)
    return HistoryEntry(at / 1_000, action, by, detail, account)
