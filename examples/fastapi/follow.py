"""Follow the event feed: it has every event, also those of the time when the shop was down."""

import asyncio
import os

from store import Store

from willcall_client import AsyncClient


async def follow() -> None:
    store = Store(os.environ["SHOP_DB"])
    async with AsyncClient(os.environ["WILLCALL_URL"], os.environ["WILLCALL_KEY"]) as willcall:
        feed = willcall.events(after=store.cursor())
        async for event in feed.follow():  # continues after an outage of Willcall
            await asyncio.to_thread(store.handle, event, feed.cursor)


asyncio.run(follow())
