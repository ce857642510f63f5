"""AsyncClient behind the methods of Client, so that one test serves both."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from willcall_client import AsyncClient, AsyncFeed, Client

if TYPE_CHECKING:
    from typing_extensions import Self


class BlockingClient:
    """Runs an event loop during each call."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._client = AsyncClient(*arguments, **options)
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._loop.run_until_complete(self._client.__aexit__())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        for task in asyncio.all_tasks(self._loop):  # generators that were left, which are being closed
            self._loop.run_until_complete(task)
        self._loop.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *arguments, **options: self._wait(method(*arguments, **options))

    def _wait(self, result: Any) -> Any:
        if isawaitable(result):
            return self._loop.run_until_complete(result)
        if isinstance(result, AsyncFeed):
            return BlockingFeed(result, self._iterate)
        return self._iterate(result)

    def _iterate(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        iterator = aiter(items)
        end = object()
        while (item := self._loop.run_until_complete(anext(iterator, end))) is not end:
            yield item


class BlockingFeed:
    """An AsyncFeed behind the methods of Feed."""

    def __init__(self, feed: AsyncFeed, iterate: Callable[[AsyncIterator[Any]], Iterator[Any]]) -> None:
        self._feed = feed
        self._iterate = iterate

    @property
    def cursor(self) -> "str | None":
        return self._feed.cursor

    def __iter__(self) -> Iterator[Any]:
        return self._iterate(aiter(self._feed))

    def follow(self, interval: float = 1.0) -> Iterator[Any]:
        return self._iterate(self._feed.follow(interval))


#: What a test of a client is run with.
CLIENTS: "dict[str, Any]" = {"sync": Client, "async": BlockingClient}
