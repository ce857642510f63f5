"""The client: one method per call of the API."""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

from willcall.client.connection import Connection
from willcall.client.feed import Feed
from willcall.schemas.accounts import Account, ResumeResult
from willcall.schemas.orders import Attempt, BatchResult, Order

#: Orders of `submit_many` that one call carries.
_BATCH = 500
_PAGE = 200


class Client:
    """Willcall over HTTP, for one thread at a time.

    Raises ApiError and its subclasses. While the server is unavailable, requests are repeated for `patience` seconds,
    respecting `Retry-After`; that is safe, as every call may be repeated.
    """

    def __init__(self, base_url: str, key: str | None = None, *, timeout: float = 30.0, patience: float = 15.0) -> None:
        """`key` is one of `api.keys`; `timeout`: seconds of silence that end a request."""
        self._connection = Connection(base_url, key, timeout, patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def submit(
        self,
        provider: str,
        reference: str,
        *,
        id: str | None = None,  # noqa: A002 - the contract's name
        account: str | None = None,
        quantity: int | None = None,
        not_before: datetime | None = None,
        bought_at: datetime | None = None,
        delivery: str | None = None,
        callback_url: str | None = None,
        language: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Order:
        """Submit an order. With an `id` that was submitted before with the same content, returns the order as it is.

        Pass your own `id`: it makes submitting idempotent beyond this call.
        Raises ConflictError if that id has different content, RejectedError with all invalid fields.
        """
        body = {
            "id": id,
            "provider": provider,
            "reference": reference,
            "account": account,
            "quantity": quantity,
            "not_before": not_before,
            "bought_at": bought_at,
            "delivery": delivery,
            "callback_url": callback_url,
            "language": language,
            "metadata": None if metadata is None else dict(metadata),
        }
        return Order.from_json(self._connection.json("POST", "/v1/orders", json=_submission(body)))

    def submit_many(self, orders: Iterable[Mapping[str, Any]]) -> Iterator[BatchResult]:
        """Submit orders independently, some hundred per call, as the results are consumed, in order.

        Each order is a mapping of what `submit` takes.
        """
        remaining = iter(orders)
        while batch := [_submission(order) for order in islice(remaining, _BATCH)]:
            answer = self._connection.json("POST", "/v1/orders:batch", json={"orders": batch})
            yield from map(BatchResult.from_json, answer["results"])

    def order(self, order_id: str) -> Order:
        """Return one order with its tickets. Raises NotFoundError."""
        return Order.from_json(self._connection.json("GET", _order(order_id)))

    def orders(
        self, *, status: str | None = None, provider: str | None = None, attention: str | bool | None = None
    ) -> Iterator[Order]:
        """Yield orders, newest first. `attention`: `True` for any reason, or one reason."""
        wanted = {"status": status, "provider": provider, "attention": "true" if attention is True else attention}
        query: dict[str, Any] = {name: value for name, value in wanted.items() if value} | {"limit": _PAGE}
        while True:
            page = self._connection.json("GET", "/v1/orders", params=query)
            yield from map(Order.from_json, page["items"])
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def attempts(self, order_id: str) -> list[Attempt]:
        """Return the order's attempts, oldest first. Raises NotFoundError."""
        return [Attempt.from_json(item) for item in self._connection.json("GET", _order(order_id, "attempts"))["items"]]

    def poll(self, order_id: str, *, now: bool = False) -> Order:
        """Poll as soon as the provider allows; see `next_poll_at`.

        With `now`, poll even before the provider's `Retry-After` has passed. Raises NotFoundError, ConflictError if the
        order has ended.
        """
        return Order.from_json(
            self._connection.json("POST", _order(order_id, "poll"), json={"now": True} if now else {})
        )

    def cancel(self, order_id: str) -> Order:
        """Stop polling; the order becomes cancelled. Raises NotFoundError, ConflictError if it has ended otherwise."""
        return Order.from_json(self._connection.json("POST", _order(order_id, "cancel")))

    def redeliver(self, order_id: str) -> Order:
        """Send the latest event to the order's `callback_url` again.

        Raises NotFoundError, ConflictError if there is no event or no URL.
        """
        return Order.from_json(self._connection.json("POST", _order(order_id, "redeliver")))

    def document(self, order_id: str, document_id: str) -> bytes:
        """Return a document. Raises NotFoundError."""
        return self._connection.request("GET", _order(order_id, "documents", document_id)).content

    def save_document(self, order_id: str, document_id: str, path: str | os.PathLike[str]) -> None:
        """Write a document to `path`, completely or not at all. Raises NotFoundError, OSError."""
        content = self.document(order_id, document_id)
        target = Path(path)
        draft = target.with_name(f".{target.name}.{uuid4().hex}")
        try:
            draft.write_bytes(content)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)

    def events(self, after: str | None = None, *, page: int = 100) -> Feed:
        """Return the event feed after the cursor `after`, or from the oldest stored event; `page`: events per call."""
        return Feed(self._connection, after, page)

    def accounts(self) -> list[Account]:
        """Return all configured accounts."""
        return [Account.from_json(item) for item in self._connection.json("GET", "/v1/accounts")["items"]]

    def pause(self, provider: str, account: str = "default", *, seconds: float | None = None) -> Account:
        """Send nothing to an account for `seconds`, or until it is resumed. Raises NotFoundError.

        An existing pause that ends later is kept, as `until` shows. To shorten it, resume the account first.
        """
        body = {} if seconds is None else {"seconds": seconds}
        return Account.from_json(self._connection.json("POST", _account(provider, account, "pause"), json=body))

    def resume(self, provider: str, account: str = "default", *, now: bool = False) -> ResumeResult:
        """End a pause; probe an account that is rejected or down. Raises NotFoundError.

        A provider's `Retry-After` is respected, as `until` shows. With `now`, the account is polled anyway.
        """
        body = {"now": True} if now else {}
        return ResumeResult.from_json(self._connection.json("POST", _account(provider, account, "resume"), json=body))


def _submission(order: Mapping[str, Any]) -> dict[str, Any]:
    """Return an order as it is sent: with an id, so that the call may be repeated."""
    body = {name: value for name, value in order.items() if value is not None}
    body |= {name: value.isoformat() for name, value in body.items() if isinstance(value, datetime)}
    return {"id": f"ord_{uuid4().hex}", **body}


def _order(order_id: str, *more: str) -> str:
    return "/".join(["/v1/orders", *(quote(part, safe="") for part in (order_id, *more))])


def _account(provider: str, account: str, what: str) -> str:
    return "/".join(["/v1/accounts", quote(provider, safe=""), quote(account, safe=""), what])
