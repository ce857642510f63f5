"""The event feed as an iterable."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from willcall.schemas.orders import Event

if TYPE_CHECKING:
    from willcall.client.connection import Connection


class Feed:
    """Events up to now. Iterate again later for newer ones.

    `cursor` is the position after the last page whose events were all consumed. Store it after you have processed the
    events, and you miss none; after a crash, some may come again with the same `id`.
    """

    def __init__(self, connection: "Connection", cursor: str | None, page: int) -> None:
        self._connection = connection
        self._page = page
        self.cursor = cursor

    def __iter__(self) -> Iterator[Event]:
        """Yield all events after the cursor, in order. Raises ApiError."""
        while True:
            parameters = {"limit": self._page} | ({"after": self.cursor} if self.cursor else {})
            page = self._connection.json("GET", "/v1/events", params=parameters)
            yield from map(Event.from_json, page["items"])
            self.cursor = page["next_cursor"]
            if len(page["items"]) < self._page:
                return
