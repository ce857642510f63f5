"""JSON as Willcall sends it."""

from typing import Any

TICKET: "dict[str, Any]" = {
    "kind": "pdf",
    "document": "doc_1",
    "url": None,
    "code": "12345",
    "code_format": None,
    "section": None,
    "row": None,
    "seat": None,
    "valid_from": None,
    "valid_until": None,
    "status": "valid",
    "extra": {},
    "content_type": "application/pdf",
}
ORDER: "dict[str, Any]" = {
    "id": "ord-1",
    "provider": "tiqets",
    "account": "default",
    "reference": "1111111",
    "status": "fulfilled",
    "attention": None,
    "reason": None,
    "provider_status": "done",
    "quantity": 1,
    "attempts": 7,
    "submitted_at": "2026-11-22T10:00:00Z",
    "not_before": None,
    "next_poll_at": None,
    "deadline_at": "2026-11-23T10:00:00Z",
    "finished_at": "2026-11-22T10:00:05.25Z",
    "tickets": [TICKET],
    "callback_url": None,
    "metadata": {"cart": "42"},
}
EVENT: "dict[str, Any]" = {
    "id": "evt_1",
    "type": "order.fulfilled",
    "order_id": "ord-1",
    "occurred_at": "2026-11-22T10:00:05.25Z",
    "data": ORDER,
}
