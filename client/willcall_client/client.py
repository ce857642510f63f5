"""The client: one method per call of the API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from willcall_client import calls
from willcall_client.api_errors import UnavailableError
from willcall_client.feed import Feed
from willcall_client.files import draft_of
from willcall_client.responses import ResponseReader, client_options, errors_translated, request_options
from willcall_client.retries import Retries
from willcall_client.version import USER_AGENT

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping
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


class Client:
    """Willcall over HTTP. Threads may share it; processes may not.

    While the server is unavailable (429, 502, 503, 504, or no response), calls are repeated for `patience` seconds,
    respecting `Retry-After`. That is safe, as every call may be repeated. Then they raise UnavailableError. All errors
    of calls are ApiError or DecodeError.
    """

    def __init__(
        self, base_url: str, key: str | None = None, *, timeout: float = 30.0, patience: float = 15.0, **options: Any
    ) -> None:
        """Raises ValueError if the address or key cannot work.

        Args:
            base_url: where Willcall's API is, such as `https://willcall.example`.
            key: one of its keys.
            timeout: seconds of silence that end an attempt. JSON must also be complete within them, a file need not.
            patience: seconds after which a call is not repeated any more.
            options: further arguments of `httpx.Client`, such as `proxy`, `verify` (an `ssl.SSLContext`) or `cert`.
        """
        self._http = httpx.Client(**client_options(base_url, key, options))
        self._timeout = timeout
        self._patience = patience

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def submit(
        self, provider: str, reference: str, *, idempotency_key: str | None = None, **order: Unpack[OrderOptions]
    ) -> Order:
        """Submit an order. With an `id` that was submitted before with the same content, returns the order as it is.

        Pass your own `id`, or in its place an `idempotency_key`: it makes submitting idempotent beyond this call.
        Raises ConflictError if it has different content or the reference has another open order, RejectedError with
        all invalid fields.
        """
        return self._run(calls.submit(provider, reference, order, idempotency_key))

    def submit_many(self, orders: Iterable[OrderToSubmit | Mapping[str, Any]]) -> Iterator[BatchResult]:
        """Submit orders independently, 1,000 per call, as the results are consumed, in order.

        Each order is a mapping of what `submit` takes.
        """
        for call in calls.submit_batches(orders):
            yield from self._run(call).results

    def order(self, order_id: str) -> Order:
        """Return one order with its tickets. Raises NotFoundError."""
        return self._run(calls.order(order_id))

    def orders(
        self,
        *,
        status: str | None = None,
        provider: str | None = None,
        attention: str | bool | None = None,
        **filters: Unpack[OrderFilters],
    ) -> Iterator[Order]:
        """Yield orders, newest first. `attention`: `True` for any reason, or one reason.

        With `event_before` or `event_after`, the soonest event comes first; with `updated_since`, the earliest change.
        """
        wanted = {"status": status, "provider": provider, "attention": attention, **filters}
        cursor, more = None, True
        while more:
            page = self._run(calls.orders(wanted, cursor))
            yield from page.items
            cursor, more = page.next_cursor, page.next_cursor is not None

    def attempts(self, order_id: str) -> list[Attempt]:
        """Return the order's attempts, oldest first. Raises NotFoundError."""
        return list(self._run(calls.attempts(order_id)).items)

    def poll(self, order_id: str, *, now: bool = False) -> Order:
        """Poll as soon as the provider allows; see `next_poll_at`.

        With `now`, poll even before the provider's `Retry-After` has passed. Raises NotFoundError, ConflictError if the
        order has ended.
        """
        return self._run(calls.poll(order_id, now=now))

    def cancel(self, order_id: str) -> Order:
        """Stop polling; the order becomes cancelled. Raises NotFoundError, ConflictError if it has ended otherwise."""
        return self._run(calls.cancel(order_id))

    def complete(
        self,
        order_id: str,
        *,
        files: Iterable[FileToSend] = (),
        codes: Iterable[str] = (),
        urls: Iterable[str] = (),
        note: str | None = None,
    ) -> Order:
        """Hand in the tickets of an order that somebody got by other means; the order becomes fulfilled.

        `files`: their content or paths; `note`: for the order's timeline. Raises NotFoundError, RejectedError, OSError.
        """
        texts = {"code": codes, "url": urls, "note": [note] if note else []}
        return self._run(calls.complete(order_id, files, texts))

    def amend(self, order_id: str, **changes: Unpack[Amendment]) -> Order:
        """Correct what was submitted. Raises NotFoundError, RejectedError, ConflictError if it is too late."""
        return self._run(calls.amend(order_id, changes))

    def erase(self, order_id: str) -> None:
        """Forget a final order but for its id, times and outcomes.

        Raises NotFoundError, ConflictError if the order is open.
        """
        self._run(calls.erase(order_id))

    def redeliver(self, order_id: str) -> Order:
        """Send the latest event to the order's `callback_url` again.

        Raises NotFoundError, ConflictError if there is no event or no URL.
        """
        return self._run(calls.redeliver(order_id))

    def redeliver_many(self, *, since: datetime | str | None = None, undelivered: bool = False) -> RedeliveryResult:
        """Send the latest events of many orders again, and return of how many.

        `since`: of orders with an event since then; `undelivered`: of those whose latest event was not delivered yet.
        Raises RejectedError if neither is given.
        """
        total = self._run(calls.redeliveries(since, undelivered=undelivered))
        while total.next_cursor is not None:
            more = self._run(calls.redeliveries(since, undelivered=undelivered, cursor=total.next_cursor))
            total = total.continued_by(more)
        return total

    def bulk(
        self,
        action: str,
        ids: Iterable[str] | None = None,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        **filters: Unpack[BulkFilters],
    ) -> BulkResults:
        """Poll, resume, redeliver, complete or cancel up to 1,000 orders: those of `ids`, or those of `filters`.

        `cursor`: the `next_cursor` of an earlier call, to continue it. Each order succeeds or fails on its own. Raises
        RejectedError.
        """
        return self._run(calls.bulk(action, ids, filters, limit, cursor))

    def look(self, provider: str, reference: str, **options: Unpack[LookOptions]) -> LookResult:
        """Return what a provider says about a reference now. Nothing is stored, and no event is sent.

        Raises RejectedError, ConflictError if the provider may not be asked now.
        """
        return self._run(calls.look(provider, reference, options))

    def checkout(self, checkout: Mapping[str, Any]) -> Checkout:
        """Create an order at its provider, submit it, and return where the customer pays.

        `checkout` is the body of `POST /v1/checkouts`; `order.id` in it makes the call safe to repeat. Raises
        RejectedError, and ConflictError if the order was not created, or if that is unknown.
        """
        return self._run(calls.checkout(checkout))

    def trigger(self, status: str, *, callback_url: str | None = None) -> TriggerResult:
        """Have Willcall send a sample event, signed, as if an order had come to a status.

        `status` may also be `updated`, `attention` or `at_risk`. Raises ConflictError if no address is known.
        """
        return self._run(calls.trigger(status, callback_url))

    def document(self, order_id: str, document_id: str) -> bytes:
        """Return a document. Raises NotFoundError."""
        return self._run(calls.document(order_id, document_id))

    def stream_document(self, order_id: str, document_id: str) -> Iterator[bytes]:
        """Yield a document in parts. After an interruption, it continues where it stopped. Raises NotFoundError."""
        call, sent = calls.document(order_id, document_id), 0
        retries = self._retries()
        while True:
            try:
                for part in self._attempt(call, retries, skip=sent):
                    sent += len(part)
                    yield part
            except UnavailableError as failure:
                pause = retries.pause(failure, time.monotonic())
            else:
                return
            time.sleep(pause)

    def save_document(self, order_id: str, document_id: str, path: str | os.PathLike[str]) -> None:
        """Write a document to `path`, completely or not at all. Raises NotFoundError, OSError."""
        with draft_of(path) as file:
            for part in self.stream_document(order_id, document_id):
                file.write(part)

    def events(self, after: str | None = None, *, page: int = 100) -> Feed:
        """Return the event feed after the cursor `after`, or from the oldest stored event; `page`: events per call."""
        return Feed(self._run, after, page)

    def accounts(self) -> list[Account]:
        """Return all configured accounts."""
        return list(self._run(calls.accounts()).items)

    def pause(self, provider: str, account: str = "default", *, seconds: float | None = None) -> Account:
        """Send nothing to an account for `seconds`, or until it is resumed. Raises NotFoundError.

        An existing pause that ends later is kept, as `until` shows. To shorten it, resume the account first.
        """
        return self._run(calls.pause(provider, account, seconds))

    def resume(self, provider: str, account: str = "default", *, now: bool = False) -> ResumeResult:
        """End a pause; probe an account that is rejected or down. Raises NotFoundError.

        A provider's `Retry-After` is respected, as `until` shows. With `now`, the account is polled anyway.
        """
        return self._run(calls.resume(provider, account, now=now))

    def health(self) -> Readiness:
        """Return whether Willcall can accept orders, and what it lacks if not. Raises UnreachableError."""
        return self._run(calls.readiness())

    def _run(self, call: Call[T]) -> T:
        retries = self._retries()
        while True:
            try:
                return call.result(b"".join(self._attempt(call, retries)))
            except UnavailableError as failure:
                pause = retries.pause(failure, time.monotonic())
            time.sleep(pause)

    def _retries(self) -> Retries:
        return Retries(self._patience, self._timeout, time.monotonic())

    def _attempt(self, call: Call[Any], retries: Retries, skip: int = 0) -> Iterator[bytes]:
        timeout = retries.timeout(time.monotonic()) + call.wait
        with errors_translated(), self._http.stream(**request_options(call, USER_AGENT, timeout)) as response:
            reader = ResponseReader(call, response, timeout, skip)
            for chunk in response.iter_bytes():
                if part := reader.read(chunk):
                    yield part
            reader.finish()
