"""Examples of the shapes, for the OpenAPI document."""

from datetime import UTC, datetime, timedelta
from typing import Any

from willcall.schemas.accounts import Account, AccountPage, Backlog, Rate
from willcall.schemas.operations import ClearResult, DeadLetter, DeadLetterPage, Readiness, ServiceStatus
from willcall.schemas.orders import (
    Attempt,
    AttemptPage,
    BatchResult,
    BatchResults,
    Event,
    EventPage,
    Order,
    OrderPage,
    Ticket,
)
from willcall.schemas.problems import FieldProblem, Problem

_SUBMITTED = datetime(2026, 11, 22, 10, tzinfo=UTC)
_FINISHED = _SUBMITTED + timedelta(seconds=16.25)

_TICKET = Ticket(
    kind="pdf",
    document="doc_5f0c",
    url="https://example.com/tickets.pdf",
    code=None,
    code_format=None,
    section=None,
    row=None,
    seat=None,
    valid_from=None,
    valid_until=None,
    extra={},
    content_type="application/pdf",
)


def _order(*, fulfilled: bool) -> Order:
    return Order(
        id="cart-42",
        provider="tiqets",
        account="default",
        reference="1111111",
        status="fulfilled" if fulfilled else "pending",
        attention=None,
        reason=None,
        provider_status="done" if fulfilled else None,
        quantity=2,
        attempts=3 if fulfilled else 0,
        submitted_at=_SUBMITTED,
        not_before=None,
        next_poll_at=None if fulfilled else _SUBMITTED,
        deadline_at=_SUBMITTED + timedelta(days=1),
        finished_at=_FINISHED if fulfilled else None,
        tickets=(_TICKET,) if fulfilled else (),
        callback_url="https://backend.example.com/willcall",
        metadata={"cart": "42"},
        event_at=_SUBMITTED + timedelta(days=20),
        ended_by="provider" if fulfilled else None,
        updated_at=_FINISHED if fulfilled else _SUBMITTED,
    )


_ORDER = _order(fulfilled=True)
_EVENT = Event(id="evt_0b5ee2b1", type="order.fulfilled", order_id="cart-42", occurred_at=_FINISHED, data=_ORDER)
_ATTEMPT = Attempt(at=_SUBMITTED, outcome="not ready", http_status=200, countdown=5.2, why="back-off", late=0.1)
_ACCOUNT = Account(
    account="tiqets/default",
    health="ok",
    why=None,
    since=None,
    until=None,
    underlying=None,
    probe_at=None,
    tokens=10,
    rate=Rate(limit=10, period=1, burst=10),
    throttles=0,
    backlog=Backlog(waiting=1, due=0, held=0),
    orders={"pending": 1, "partial": 0, "fulfilled": 7, "failed": 0, "cancelled": 0, "expired": 0},
)
_DEAD_LETTER = DeadLetter(
    id="1795341616250-0",
    queue="willcall",
    at=_FINISHED,
    reason="unreadable",
    size=8,
    truncated=False,
    raw="not JSON",
)
_PROBLEM = Problem(
    type="urn:willcall:problem:rejected",
    title="The request is invalid",
    status=422,
    detail="reference: is missing",
    request_id="5c0f2e6f6d3b4b7f",
    errors=(FieldProblem(field="reference", message="is missing"),),
)
_SUBMISSION = {
    "id": "cart-42",
    "provider": "tiqets",
    "reference": "1111111",
    "quantity": 2,
    "event_at": "2026-12-12T10:00:00Z",
    "callback_url": "https://backend.example.com/willcall",
    "metadata": {"cart": "42"},
}

#: By the name of the shape.
EXAMPLES: dict[str, dict[str, Any]] = {
    type(example).__name__: example.to_json()
    for example in (
        _ORDER,
        OrderPage(items=(_ORDER,), next_cursor="41"),
        AttemptPage(items=(_ATTEMPT,)),
        EventPage(items=(_EVENT,), next_cursor="1795341616250-0"),
        BatchResults(results=(BatchResult(id="cart-42", status_code=201, order=_order(fulfilled=False)),)),
        AccountPage(items=(_ACCOUNT,)),
        _DEAD_LETTER,
        DeadLetterPage(items=(_DEAD_LETTER,), next_cursor=None),
        ClearResult(cleared=3),
        Readiness(ready=True, parts={"redis": ServiceStatus(ok=True), "broker": ServiceStatus(ok=True)}),
        _PROBLEM,
    )
} | {"SubmitOrder": _SUBMISSION, "Batch": {"orders": [_SUBMISSION]}, "Pause": {"seconds": 900}}
