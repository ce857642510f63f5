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

    Raises ApiError and its kinds. A server that is away is asked again for `patience` seconds, as often as it wants to
    be (`Retry-After`); that is safe, for every call may be repeated.
    """

    def __init__(self, base_url: str, key: str | None = None, *, timeout: float = 30.0, patience: float = 15.0) -> None:
        """`key` is one of `api.keys`; `timeout`: seconds of silence that end a request."""
        self._connection = Connection(base_url, key, timeout, patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
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
        """Submit an order; with an `id` that was submitted before with the same content, the order as it is.

        Give your own `id`: it makes submitting idempotent beyond this call. Raises Conflict where that id has other
        content, Rejected with every field that is wrong.
        """
        wish = {
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
        return Order.from_json(self._connection.json("POST", "/v1/orders", json=_wish(wish)))

    def submit_many(self, orders: Iterable[Mapping[str, Any]]) -> Iterator[BatchResult]:
        """Submit orders, each for itself, some hundred a call as the results are taken; they come in the same order.

        An order is a mapping of what `submit` takes.
        """
        remaining = iter(orders)
        while batch := [_wish(order) for order in islice(remaining, _BATCH)]:
            answer = self._connection.json("POST", "/v1/orders:batch", json={"orders": batch})
            yield from map(BatchResult.from_json, answer["results"])

    def order(self, order_id: str) -> Order:
        """One order with its tickets. Raises NotFound."""
        return Order.from_json(self._connection.json("GET", _order(order_id)))

    def orders(
        self, *, status: str | None = None, provider: str | None = None, attention: str | bool | None = None
    ) -> Iterator[Order]:
        """Orders, newest first, page by page; `attention`: True for any reason, or one reason."""
        wanted = {"status": status, "provider": provider, "attention": "true" if attention is True else attention}
        query: dict[str, Any] = {name: value for name, value in wanted.items() if value} | {"limit": _PAGE}
        while True:
            page = self._connection.json("GET", "/v1/orders", params=query)
            yield from map(Order.from_json, page["items"])
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def attempts(self, order_id: str) -> list[Attempt]:
        """The order's timeline, oldest first. Raises NotFound."""
        return [Attempt.from_json(item) for item in self._connection.json("GET", _order(order_id, "attempts"))["items"]]

    def poll(self, order_id: str, *, now: bool = False) -> Order:
        """Ask as soon as the provider allows; see `next_poll_at`. Raises NotFound, Conflict for what has ended.

        With `now`, ask even before the provider's `Retry-After` has passed.
        """
        return Order.from_json(
            self._connection.json("POST", _order(order_id, "poll"), json={"now": True} if now else {})
        )

    def cancel(self, order_id: str) -> Order:
        """Stop asking; the order becomes cancelled. Raises NotFound, Conflict for what has ended otherwise."""
        return Order.from_json(self._connection.json("POST", _order(order_id, "cancel")))

    def redeliver(self, order_id: str) -> Order:
        """Tell the order's `callback_url` of its latest event again. Raises NotFound, Conflict where there is none."""
        return Order.from_json(self._connection.json("POST", _order(order_id, "redeliver")))

    def document(self, order_id: str, document_id: str) -> bytes:
        """A file of the order. Raises NotFound."""
        return self._connection.request("GET", _order(order_id, "documents", document_id)).content

    def save_document(self, order_id: str, document_id: str, path: str | os.PathLike[str]) -> None:
        """Write a file of the order to `path`, all of it or nothing. Raises NotFound, OSError."""
        content = self.document(order_id, document_id)
        target = Path(path)
        draft = target.with_name(f".{target.name}.{uuid4().hex}")
        try:
            draft.write_bytes(content)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)

    def events(self, after: str | None = None, *, page: int = 100) -> Feed:
        """The event feed behind the cursor `after`, else from the oldest event kept; `page`: events a call."""
        return Feed(self._connection, after, page)

    def accounts(self) -> list[Account]:
        """How each configured account is doing."""
        return [Account.from_json(item) for item in self._connection.json("GET", "/v1/accounts")["items"]]

    def pause(self, provider: str, account: str = "default", *, seconds: float | None = None) -> Account:
        """Send nothing to an account, for `seconds` or until it is resumed. Raises NotFound.

        A pause that lasts longer already stays, as `until` then says; to shorten it, resume first.
        """
        wish = {} if seconds is None else {"seconds": seconds}
        return Account.from_json(self._connection.json("POST", _account(provider, account, "pause"), json=wish))

    def resume(self, provider: str, account: str = "default", *, now: bool = False) -> ResumeResult:
        """End a pause; try an account that is refused or down. Raises NotFound.

        A provider's `Retry-After` stands, as `until` then says. With `now`, ask in spite of it.
        """
        wish = {"now": True} if now else {}
        return ResumeResult.from_json(self._connection.json("POST", _account(provider, account, "resume"), json=wish))


def _wish(order: Mapping[str, Any]) -> dict[str, Any]:
    """An order as it is sent: with an id, so that the call may be repeated."""
    wish = {name: value for name, value in order.items() if value is not None}
    wish |= {name: value.isoformat() for name, value in wish.items() if isinstance(value, datetime)}
    return {"id": f"ord_{uuid4().hex}", **wish}


def _order(order_id: str, *more: str) -> str:
    return "/".join(["/v1/orders", *(quote(part, safe="") for part in (order_id, *more))])


def _account(provider: str, account: str, what: str) -> str:
    return "/".join(["/v1/accounts", quote(provider, safe=""), quote(account, safe=""), what])
