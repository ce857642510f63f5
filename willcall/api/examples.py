"""What the OpenAPI document shows as examples, by the name of the shape."""

from typing import Any

_MOMENT = "2026-11-22T10:00:00Z"
_TICKET: dict[str, Any] = {
    "kind": "pdf",
    "document": "doc_5f0c",
    "url": "https://example.com/tickets.pdf",
    "code": None,
    "code_format": None,
    "section": None,
    "row": None,
    "seat": None,
    "valid_from": None,
    "valid_until": None,
    "extra": {},
    "content_type": "application/pdf",
}
_ORDER: dict[str, Any] = {
    "id": "cart-42",
    "provider": "tiqets",
    "account": "default",
    "reference": "1111111",
    "status": "fulfilled",
    "attention": None,
    "reason": None,
    "provider_status": "done",
    "quantity": 2,
    "attempts": 3,
    "submitted_at": _MOMENT,
    "not_before": None,
    "next_poll_at": None,
    "deadline_at": "2026-11-23T10:00:00Z",
    "finished_at": "2026-11-22T10:00:16.250Z",
    "tickets": [_TICKET],
    "callback_url": "https://backend.example.com/willcall",
    "metadata": {"cart": "42"},
}
_PENDING: dict[str, Any] = {
    **_ORDER,
    "status": "pending",
    "provider_status": None,
    "attempts": 0,
    "next_poll_at": _MOMENT,
    "finished_at": None,
    "tickets": [],
}
_SUBMISSION: dict[str, Any] = {
    "id": "cart-42",
    "provider": "tiqets",
    "reference": "1111111",
    "quantity": 2,
    "callback_url": "https://backend.example.com/willcall",
    "metadata": {"cart": "42"},
}
_ATTEMPT: dict[str, Any] = {
    "at": _MOMENT,
    "outcome": "not ready",
    "http_status": 200,
    "countdown": 5.2,
    "why": "back-off",
    "late": 0.1,
}
_EVENT: dict[str, Any] = {
    "id": "evt_0b5ee2b1",
    "type": "order.fulfilled",
    "order_id": "cart-42",
    "occurred_at": "2026-11-22T10:00:16.250Z",
    "data": _ORDER,
}
_ACCOUNT: dict[str, Any] = {
    "account": "tiqets/default",
    "health": "ok",
    "since": None,
    "until": None,
    "beneath": None,
    "probe_at": None,
    "tokens": 10,
    "rate": {"limit": 10, "period": 1, "burst": 10},
    "throttles": 0,
    "backlog": {"waiting": 1, "due": 0, "held": 0},
    "orders": {"pending": 1, "partial": 0, "fulfilled": 7, "failed": 0, "cancelled": 0, "expired": 0},
}
_DEAD_LETTER: dict[str, Any] = {
    "id": "1795341616250-0",
    "queue": "willcall",
    "at": "2026-11-22T10:00:16.250Z",
    "reason": "unreadable",
    "size": 8,
    "truncated": False,
    "raw": "not JSON",
}
_PROBLEM: dict[str, Any] = {
    "type": "urn:willcall:problem:rejected",
    "title": "What was sent cannot be used",
    "status": 422,
    "detail": "reference: is missing",
    "request_id": "5c0f2e6f6d3b4b7f",
    "errors": [{"field": "reference", "message": "is missing"}],
}

EXAMPLES: dict[str, Any] = {
    "SubmitOrder": _SUBMISSION,
    "Order": _ORDER,
    "OrderPage": {"items": [_ORDER], "next_cursor": "41"},
    "AttemptPage": {"items": [_ATTEMPT], "next_cursor": None},
    "EventPage": {"items": [_EVENT], "next_cursor": "1795341616250-0"},
    "Batch": {"orders": [_SUBMISSION]},
    "BatchResults": {"results": [{"id": "cart-42", "status_code": 201, "order": _PENDING}]},
    "AccountPage": {"items": [_ACCOUNT], "next_cursor": None},
    "DeadLetter": _DEAD_LETTER,
    "DeadLetterPage": {"items": [_DEAD_LETTER], "next_cursor": None},
    "Cleared": {"cleared": 3},
    "Pause": {"seconds": 900},
    "Readiness": {"ready": True, "parts": {"redis": {"ok": True}, "broker": {"ok": True}}},
    "Problem": _PROBLEM,
}
