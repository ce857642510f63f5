"""The event feed as something to iterate over."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from willcall.schemas.orders import Event

if TYPE_CHECKING:
    from willcall.client.connection import Connection


class Feed:
    """Events up to now; iterate again, after a while, for those that came since.

    `cursor` is the place to go on from: behind the last page whose events were all handed out. Keep it after the
    events are dealt with, and none is ever missed; after a crash some may come once more, under the same `id`.
    """

    def __init__(self, connection: "Connection", cursor: str | None, page: int) -> None:
        self._connection = connection
        self._page = page
        self.cursor = cursor

    def __iter__(self) -> Iterator[Event]:
        """All events behind the cursor, in their order. Raises ApiError."""
        while True:
            parameters = {"limit": self._page} | ({"after": self.cursor} if self.cursor else {})
            page = self._connection.json("GET", "/v1/events", params=parameters)
            yield from map(Event.from_json, page["items"])
            self.cursor = page["next_cursor"]
            if len(page["items"]) < self._page:
                return
