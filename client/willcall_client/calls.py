"""What each call of the API sends, and how its response is read. No I/O: both clients send these."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar
from urllib.parse import quote
from uuid import uuid4

from willcall_client.decoding import Model, parse_json
from willcall_client.errors import DecodeError
from willcall_client.files import form_of
from willcall_client.models import (
    Account,
    AccountPage,
    AttemptPage,
    BatchResults,
    BulkResults,
    Checkout,
    EventPage,
    LookResult,
    Order,
    OrderPage,
    Readiness,
    RedeliveryResult,
    ResumeResult,
    TriggerResult,
)

if TYPE_CHECKING:
    from willcall_client.files import FileToSend

T = TypeVar("T")
M = TypeVar("M", bound=Model)

#: Limits of a batch: orders, and bytes, which the API accepts 16 MiB of.
BATCH_ORDERS = 1_000
BATCH_BYTES = 15 * 1024 * 1024
#: Orders of a page.
PAGE = 200
#: Largest JSON that is read. A page of orders holds everything that providers said about their tickets.
MAX_JSON_BYTES = 64 * 1024 * 1024
MAX_DOCUMENT_BYTES = 256 * 1024 * 1024


class OrderOptions(TypedDict, total=False):
    """What may be given when an order is submitted; `None` is the same as leaving it out.

    A newer Willcall may take more: pass them in the same way.
    """

    id: str | None
    """Your own key. It makes submitting idempotent: the same order with the same id is accepted once."""
    account: str | None
    quantity: int | None
    """How many tickets you bought."""
    not_before: datetime | str | None
    """Polling starts then."""
    bought_at: datetime | str | None
    """Older tickets in a user's list belong to other orders. Default: a day before submission."""
    event_at: datetime | str | None
    """When the customer goes in. It makes the order urgent as it comes near."""
    group: str | None
    """Your own name for orders that are usually issued together, such as those of one performance."""
    delivery: str | None
    """`instant` (default), or `delayed` if issuing is known to take long."""
    callback_url: str | None
    language: str | None
    metadata: Mapping[str, str] | None
    """Your own texts, returned with the order."""
    credentials: Mapping[str, str] | None
    """`cognito_token` or `public_bearer` of the order's own user. They are never shown."""
    allow_duplicate: bool | None
    """Whether another open order may have the same reference."""


class Amendment(TypedDict, total=False):
    """What may be corrected after an order was submitted. What is left out stays; `None` removes it."""

    quantity: int | None
    event_at: datetime | str | None
    callback_url: str | None
    credentials: Mapping[str, str] | None
    """In place of those that the order has."""


class LookOptions(TypedDict, total=False):
    """How to look at a reference."""

    account: str | None
    quantity: int | None
    """How many tickets were bought: required for a reference that stands for all that a user has bought."""
    language: str | None


class OrderFilters(TypedDict, total=False):
    """Which orders to list, besides their status, provider and attention."""

    event_before: datetime | str | None
    event_after: datetime | str | None
    updated_since: datetime | str | None
    group: str | None
    account: str | None
    submitted_after: datetime | str | None
    submitted_before: datetime | str | None
    text: str | None
    metadata: Mapping[str, str] | None
    host: str | None


class BulkFilters(OrderFilters, total=False):
    """The orders of an action on many."""

    status: str | None
    provider: str | None
    attention: str | None


class _Purchase(TypedDict):
    provider: str
    reference: str


class OrderToSubmit(_Purchase, OrderOptions, total=False):
    """An order as `submit_many` takes it: `provider`, `reference` and any of the `OrderOptions`."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request, and the function that reads its response. Every call may be repeated."""

    method: str
    path: str
    read: Callable[[bytes], T]
    params: Mapping[str, str | int] = field(default_factory=dict)
    content: bytes | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    max_bytes: int = MAX_JSON_BYTES
    #: Statuses with a result, besides those below 300.
    results: frozenset[int] = frozenset()
    #: Whether the response is a file, which may take long to arrive.
    is_file: bool = False
    #: Seconds that Willcall may wait before it responds.
    wait: int = 0

    def result(self, content: bytes) -> T:
        """Read the response. Raises DecodeError."""
        try:
            return self.read(content)
        except DecodeError as error:
            raise DecodeError(f"unexpected response to {self.method} {self.path}: {error}") from None


def submit(
    provider: str, reference: str, options: Mapping[str, Any], idempotency_key: str | None = None
) -> Call[Order]:
    order = {"provider": provider, "reference": reference, **options}
    if idempotency_key is None:
        return Call("POST", "/v1/orders", _model(Order), content=_submission(order))
    headers = {"Idempotency-Key": idempotency_key}
    return Call("POST", "/v1/orders", _model(Order), content=_json(_given(order)), headers=headers)


def submit_batches(orders: Iterable[Mapping[str, Any]]) -> Iterator[Call[BatchResults]]:
    """Yield calls that submit the orders, as many in each as the API accepts."""
    batch: list[bytes] = []
    size = 0
    for order in map(_submission, orders):
        if batch and (len(batch) == BATCH_ORDERS or size + len(order) > BATCH_BYTES):
            yield _batch(batch)
            batch, size = [], 0
        batch.append(order)
        size += len(order) + 1
    if batch:
        yield _batch(batch)


def order(order_id: str) -> Call[Order]:
    return Call("GET", _order_path(order_id), _model(Order))


def orders(wanted: Mapping[str, Any], cursor: str | None) -> Call[OrderPage]:
    entries = {f"metadata.{name}": value for name, value in (wanted.get("metadata") or {}).items()}
    given = {**wanted, "metadata": None, **entries, "cursor": cursor}
    texts = {name: _parameter(value) for name, value in given.items() if value}
    return Call("GET", "/v1/orders", _model(OrderPage), params={**texts, "limit": PAGE})


def attempts(order_id: str) -> Call[AttemptPage]:
    return Call("GET", _order_path(order_id, "attempts"), _model(AttemptPage))


def poll(order_id: str, *, now: bool) -> Call[Order]:
    return Call("POST", _order_path(order_id, "poll"), _model(Order), content=_json({"now": True} if now else {}))


def cancel(order_id: str) -> Call[Order]:
    return Call("POST", _order_path(order_id, "cancel"), _model(Order))


def complete(order_id: str, files: Iterable[FileToSend], texts: Mapping[str, Iterable[str]]) -> Call[Order]:
    for name, values in {"file": files, **texts}.items():
        if isinstance(values, str | bytes):  # whose characters would each become a ticket
            raise TypeError(f"{name}: give a list, also of one")
    content, content_type = form_of(files, texts)
    path = _order_path(order_id, "complete")
    return Call("POST", path, _model(Order), content=content, content_type=content_type)


def amend(order_id: str, changes: Mapping[str, Any]) -> Call[Order]:
    return Call("PATCH", _order_path(order_id), _model(Order), content=_json(changes))


def erase(order_id: str) -> Call[None]:
    return Call("DELETE", _order_path(order_id), lambda _: None)


def redeliver(order_id: str) -> Call[Order]:
    return Call("POST", _order_path(order_id, "redeliver"), _model(Order))


def redeliveries(
    since: datetime | str | None, *, undelivered: bool, cursor: str | None = None
) -> Call[RedeliveryResult]:
    body = _given({"since": since, "undelivered": undelivered, "cursor": cursor})
    return Call("POST", "/v1/redeliveries", _model(RedeliveryResult), content=_json(body))


def bulk(
    action: str, ids: Iterable[str] | None, filters: Mapping[str, Any], limit: int | None, cursor: str | None
) -> Call[BulkResults]:
    wanted = _given(filters)
    body = {
        "action": action,
        "ids": None if ids is None else list(ids),
        "filter": wanted or None,
        "limit": limit,
        "cursor": cursor,
    }
    return Call("POST", "/v1/orders:bulk", _model(BulkResults), content=_json(_given(body)))


def look(provider: str, reference: str, options: Mapping[str, Any]) -> Call[LookResult]:
    body = _given({"provider": provider, "reference": reference, **options})
    return Call("POST", "/v1/look", _model(LookResult), content=_json(body))


def checkout(checkout: Mapping[str, Any]) -> Call[Checkout]:
    return Call("POST", "/v1/checkouts", _model(Checkout), content=_json(checkout))


def trigger(status: str, callback_url: str | None) -> Call[TriggerResult]:
    body = _given({"status": status, "callback_url": callback_url})
    return Call("POST", "/v1/trigger", _model(TriggerResult), content=_json(body))


def document(order_id: str, document_id: str) -> Call[bytes]:
    path = _order_path(order_id, "documents", document_id)
    return Call("GET", path, bytes, max_bytes=MAX_DOCUMENT_BYTES, is_file=True)


def events(after: str | None, limit: int, wait: int = 0) -> Call[EventPage]:
    wanted: dict[str, str | int] = {"limit": limit, "after": after or "", "wait": wait}
    params = {name: value for name, value in wanted.items() if value}
    return Call("GET", "/v1/events", _model(EventPage), params=params, wait=wait)


def accounts() -> Call[AccountPage]:
    return Call("GET", "/v1/accounts", _model(AccountPage))


def pause(provider: str, account: str, seconds: float | None) -> Call[Account]:
    content = _json({} if seconds is None else {"seconds": seconds})
    return Call("POST", _path("v1", "accounts", provider, account, "pause"), _model(Account), content=content)


def resume(provider: str, account: str, *, now: bool) -> Call[ResumeResult]:
    path = _path("v1", "accounts", provider, account, "resume")
    return Call("POST", path, _model(ResumeResult), content=_json({"now": True} if now else {}))


def readiness() -> Call[Readiness]:
    return Call("GET", "/readyz", _model(Readiness), results=frozenset({503}))


def _model(kind: type[M]) -> Callable[[bytes], M]:
    return lambda content: kind.from_json(parse_json(content))


def _submission(order: Mapping[str, Any]) -> bytes:
    """Return an order as it is sent: with an id, so that the call may be repeated."""
    return _json({"id": f"ord_{uuid4().hex}", **_given(order)})


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _batch(orders: list[bytes]) -> Call[BatchResults]:
    content = b'{"orders":[' + b",".join(orders) + b"]}"
    return Call("POST", "/v1/orders:batch", _model(BatchResults), content=content)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, default=_plain, allow_nan=False).encode()


def _parameter(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "true" if value is True else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"cannot be sent as JSON: {type(value).__name__}")


def _order_path(order_id: str, *more: str) -> str:
    return _path("v1", "orders", order_id, *more)


def _path(*parts: str) -> str:
    """Join the parts of a path. Each stays one part, whatever it contains."""
    if not all(parts):
        raise ValueError("the id of an order or document, and the name of an account, must not be empty")
    # A part of dots alone would be removed from the path, or remove the part before it.
    return "".join("/" + (quote(part, safe=":") if part.strip(".") else part.replace(".", "%2E")) for part in parts)
