"""The shop's database. Each event is handled once, whether it comes as a webhook, from the feed, or by both ways."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from willcall_client import Event

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, status TEXT NOT NULL, tickets INTEGER NOT NULL DEFAULT 0, changed_at REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS handled (event_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS feed (id INTEGER PRIMARY KEY CHECK (id = 1), cursor TEXT NOT NULL);
"""


class Store:
    def __init__(self, path: str) -> None:
        self._path = path
        with self._transaction() as database:
            database.executescript(SCHEMA)

    def add(self, order_id: str) -> None:
        with self._transaction() as database:
            database.execute("INSERT OR IGNORE INTO orders (id, status) VALUES (?, 'pending')", [order_id])

    def get(self, order_id: str) -> "dict[str, object] | None":
        with self._transaction() as database:
            row = database.execute("SELECT id, status, tickets FROM orders WHERE id = ?", [order_id]).fetchone()
        return row and dict(zip(("id", "status", "tickets"), row, strict=True))

    def handle(self, event: Event, cursor: "str | None" = None) -> None:
        """Handle an event, unless that was done before; keep the place in the feed in the same transaction."""
        tickets, changed_at = len(event.data.tickets), event.occurred_at.timestamp()
        with self._transaction() as database:
            if cursor is not None:
                database.execute("INSERT OR REPLACE INTO feed (id, cursor) VALUES (1, ?)", [cursor])
            new = database.execute("INSERT OR IGNORE INTO handled (event_id) VALUES (?)", [event.id]).rowcount
            if not new:
                return
            # An event of the feed may be older than what a webhook brought.
            changed = database.execute(
                "UPDATE orders SET status = ?, tickets = ?, changed_at = ? WHERE id = ? AND changed_at <= ?",
                [event.data.status, tickets, changed_at, event.order_id, changed_at],
            ).rowcount
        if changed:
            print(f"{event.type} {event.order_id}, tickets: {tickets}", flush=True)

    def cursor(self) -> "str | None":
        with self._transaction() as database:
            row = database.execute("SELECT cursor FROM feed").fetchone()
        return row and row[0]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path)) as database, database:
            yield database
