"""The client for asyncio: one method per call of the API, as in `Client`."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from willcall_client import calls
from willcall_client.api_errors import UnavailableError
from willcall_client.feed import AsyncFeed
from willcall_client.files import draft_of
from willcall_client.responses import ResponseReader, client_options, errors_translated, request_options
from willcall_client.retries import Retries
from willcall_client.version import USER_AGENT

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterable, Mapping
    from datetime import datetime

    from typing_extensions import Self, Unpack

    from willcall_client.calls import (
        Amendment,
        BulkFilters,
        Call,
        LookOptions,
        OrderFilters,
        OrderOptions,
        OrderToSubmit,
    )
    from willcall_client.files import FileToSend
    from willcall_client.models import (
        Account,
        Attempt,
        BatchResult,
        BulkResults,
        Checkout,
        LookResult,
        Order,
        Readiness,
        RedeliveryResult,
        ResumeResult,
        TriggerResult,
    )

T = TypeVar("T")


class AsyncClient:
    """Willcall over HTTP, for asyncio: the methods of Client, which describes them.

    Those that yield are used with `async for`, all others are awaited. One event loop may use it.
    """

    def __init__(
        self, base_url: str, key: str | None = None, *, timeout: float = 30.0, patience: float = 15.0, **options: Any
    ) -> None:
        """`options`: further arguments of `httpx.AsyncClient`. Raises ValueError if the address or key cannot work."""
        self._http = httpx.AsyncClient(**client_options(base_url, key, options))
        self._timeout = timeout
        self._patience = patience

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def submit(
        self, provider: str, reference: str, *, idempotency_key: str | None = None, **order: Unpack[OrderOptions]
    ) -> Order:
        return await self._run(calls.submit(provider, reference, order, idempotency_key))

    async def submit_many(self, orders: Iterable[OrderToSubmit | Mapping[str, Any]]) -> AsyncIterator[BatchResult]:
        for call in calls.submit_batches(orders):
            for item in (await self._run(call)).results:
                yield item

    async def order(self, order_id: str) -> Order:
        return await self._run(calls.order(order_id))

    async def orders(
        self,
        *,
        status: str | None = None,
        provider: str | None = None,
        attention: str | bool | None = None,
        **filters: Unpack[OrderFilters],
    ) -> AsyncIterator[Order]:
        wanted = {"status": status, "provider": provider, "attention": attention, **filters}
        cursor, more = None, True
        while more:
            page = await self._run(calls.orders(wanted, cursor))
            for item in page.items:
                yield item
            cursor, more = page.next_cursor, page.next_cursor is not None

    async def attempts(self, order_id: str) -> list[Attempt]:
        return list((await self._run(calls.attempts(order_id))).items)

    async def poll(self, order_id: str, *, now: bool = False) -> Order:
        return await self._run(calls.poll(order_id, now=now))

    async def cancel(self, order_id: str) -> Order:
        return await self._run(calls.cancel(order_id))

    async def complete(
        self,
        order_id: str,
        *,
        files: Iterable[FileToSend] = (),
        codes: Iterable[str] = (),
        urls: Iterable[str] = (),
        note: str | None = None,
    ) -> Order:
        texts = {"code": codes, "url": urls, "note": [note] if note else []}
        return await self._run(calls.complete(order_id, files, texts))

    async def amend(self, order_id: str, **changes: Unpack[Amendment]) -> Order:
        return await self._run(calls.amend(order_id, changes))

    async def erase(self, order_id: str) -> None:
        await self._run(calls.erase(order_id))

    async def redeliver(self, order_id: str) -> Order:
        return await self._run(calls.redeliver(order_id))

    async def redeliver_many(
        self, *, since: datetime | str | None = None, undelivered: bool = False
    ) -> RedeliveryResult:
        total = await self._run(calls.redeliveries(since, undelivered=undelivered))
        while total.next_cursor is not None:
            more = await self._run(calls.redeliveries(since, undelivered=undelivered, cursor=total.next_cursor))
            total = total.continued_by(more)
        return total

    async def bulk(
        self,
        action: str,
        ids: Iterable[str] | None = None,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        **filters: Unpack[BulkFilters],
    ) -> BulkResults:
        return await self._run(calls.bulk(action, ids, filters, limit, cursor))

    async def look(self, provider: str, reference: str, **options: Unpack[LookOptions]) -> LookResult:
        return await self._run(calls.look(provider, reference, options))

    async def checkout(self, checkout: Mapping[str, Any]) -> Checkout:
        return await self._run(calls.checkout(checkout))

    async def trigger(self, status: str, *, callback_url: str | None = None) -> TriggerResult:
        return await self._run(calls.trigger(status, callback_url))

    async def document(self, order_id: str, document_id: str) -> bytes:
        return await self._run(calls.document(order_id, document_id))

    async def stream_document(self, order_id: str, document_id: str) -> AsyncIterator[bytes]:
        call, sent = calls.document(order_id, document_id), 0
        retries = self._retries()
        while True:
            try:
                async for part in self._attempt(call, retries, skip=sent):
                    sent += len(part)
                    yield part
            except UnavailableError as failure:
                pause = retries.pause(failure, time.monotonic())
            else:
                return
            await asyncio.sleep(pause)

    async def save_document(self, order_id: str, document_id: str, path: str | os.PathLike[str]) -> None:
        with draft_of(path) as file:
            async for part in self.stream_document(order_id, document_id):
                file.write(part)

    def events(self, after: str | None = None, *, page: int = 100) -> AsyncFeed:
        return AsyncFeed(self._run, after, page)

    async def accounts(self) -> list[Account]:
        return list((await self._run(calls.accounts())).items)

    async def pause(self, provider: str, account: str = "default", *, seconds: float | None = None) -> Account:
        return await self._run(calls.pause(provider, account, seconds))

    async def resume(self, provider: str, account: str = "default", *, now: bool = False) -> ResumeResult:
        return await self._run(calls.resume(provider, account, now=now))

    async def health(self) -> Readiness:
        return await self._run(calls.readiness())

    async def _run(self, call: Call[T]) -> T:
        retries = self._retries()
        while True:
            try:
                return call.result(b"".join([part async for part in self._attempt(call, retries)]))
            except UnavailableError as failure:
                pause = retries.pause(failure, time.monotonic())
            await asyncio.sleep(pause)

    def _retries(self) -> Retries:
        return Retries(self._patience, self._timeout, time.monotonic())

    async def _attempt(self, call: Call[Any], retries: Retries, skip: int = 0) -> AsyncIterator[bytes]:
        timeout = retries.timeout(time.monotonic()) + call.wait
        with errors_translated():
            async with self._http.stream(**request_options(call, USER_AGENT, timeout)) as response:
                reader = ResponseReader(call, response, timeout, skip)
                async for chunk in response.aiter_bytes():
                    if part := reader.read(chunk):
                        yield part
                reader.finish()
