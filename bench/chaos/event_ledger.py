"""The independent event ledger: it follows the stream and records each event as it appears."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, cast

from redis import Redis
from redis.exceptions import RedisError

from bench.chaos.history import StreamEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The stream's name, which is promised; deliberately not imported from the product.
STREAM = "willcall:events"
#: Events while the status stays.
UPDATES = frozenset({"order.updated", "order.attention", "order.at_risk"})
#: Seconds between two reads.
EVERY = 0.1
#: Events read at a time.
PAGE = 500


def read_events(redis: "Redis", cursor: str | None) -> list[StreamEvent]:
    """Return the page of events behind the cursor, `None`: from the first. Raises RedisError."""
    start = f"({cursor}" if cursor else "-"
    entries = cast("Sequence[tuple[str, dict[str, str]]]", redis.xrange(STREAM, start, "+", PAGE))
    return [
        StreamEvent(entry, fields["id"], fields["type"], fields["order_id"], _is_sent(json.loads(fields["data"])))
        for entry, fields in entries
    ]


def _is_sent(order: Mapping[str, Any]) -> bool:
    return bool(order["attention"] != "undeliverable")


class EventLedger(Thread):
    """Follow the stream from its beginning until `finish`; retry while Redis is unavailable."""

    def __init__(self, url: str, path: Path) -> None:
        super().__init__(name="event ledger", daemon=True)
        self.path = path
        #: The status of each order, by its latest event that says so.
        self.latest: dict[str, str] = {}
        self.events: list[StreamEvent] = []
        self._redis = Redis.from_url(url, decode_responses=True, socket_timeout=2.0)
        self._finishing = Event()

    def run(self) -> None:
        """Read until `finish` was called and nothing is left."""
        with self.path.open("a", encoding="utf-8") as ledger:
            while True:
                done = self._finishing.is_set()
                page = self._page()
                for event in page:
                    ledger.write(json.dumps(asdict(event)) + "\n")
                    if event.type not in UPDATES:
                        self.latest[event.order_id] = event.type.removeprefix("order.")
                self.events += page
                ledger.flush()
                if not page and done:
                    return
                if len(page) < PAGE:
                    self._finishing.wait(EVERY)

    def finish(self) -> tuple[StreamEvent, ...]:
        """Read what is left, end, and return all events."""
        self._finishing.set()
        self.join(30.0)
        self._redis.close()
        return tuple(self.events)

    def _page(self) -> list[StreamEvent]:
        try:
            return read_events(self._redis, self.events[-1].cursor if self.events else None)
        except RedisError:
            return []
