"""Orders in Redis: a hash of short strings, and JSON for what rarely or never changes."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import blake2b
from typing import Any

from willcall.orders.model import (
    CANCELLED_REASON,
    OPEN,
    Attempt,
    Attention,
    DeliverySpeed,
    EndedBy,
    Order,
    Status,
)
from willcall.orders.serialization import document_from_json, needs_from_json, ticket_from_json, ticket_to_json
from willcall.orders.ticket_ids import with_ids

#: A provider's own status is stored up to this length.
_LONGEST_WORD = 60


def milliseconds(moment: float) -> int:
    """Return seconds as whole milliseconds, rounded up: nothing is due too early."""
    return math.ceil(moment * 1_000)


def hash_fields(flat: Sequence[str]) -> dict[str, str]:
    """Return the fields of a hash from the flat list that a script replies with."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def optional_milliseconds(moment: float | None) -> int | None:
    """Return seconds as whole milliseconds, or `None`."""
    return None if moment is None else milliseconds(moment)


def seconds(value: Any) -> float | None:
    """Return milliseconds from Redis as seconds."""
    return None if value is None else float(value) / 1_000


def compact_json(value: Any) -> str:
    """Return JSON without spaces and with sorted keys: the same value is always the same text."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def reference_digest(reference: str) -> str:
    """Return what names the orders of one reference in keys, which may be listed."""
    return blake2b(reference.encode(), digest_size=16).hexdigest()


def spec_of(order: Order) -> dict[str, Any]:
    """Return what was submitted, without empty values."""
    spec = {
        "reference": order.reference,
        "quantity": order.quantity,
        "bought_at": None if order.bought_at is None else milliseconds(order.bought_at),
        "delivery": order.delivery.value if order.delivery is not DeliverySpeed.INSTANT else None,
        "language": order.language,
        "callback_url": order.callback_url,
        "metadata": dict(order.metadata) or None,
        "client": order.client,
        "event_at": optional_milliseconds(order.event_at),
        "group": order.group,
    }
    return {name: value for name, value in spec.items() if value is not None}


def mutable_fields(order: Order) -> dict[str, str]:
    """Return the hash fields that a commit writes. Those that are absent do not exist in the hash."""
    values = {
        "status": order.status.value,
        "attention": order.attention.value if order.attention else None,
        "reason": order.reason or None,
        "provider_status": order.provider_status[:_LONGEST_WORD] if order.provider_status else None,
        "attempts": order.attempts or None,
        "answered": order.answered_polls or None,
        "failures": order.unanswered_polls or None,
        "refusals": order.forbidden_polls or None,
        "expected": order.expected,
        "missing_since": optional_milliseconds(order.missing_since),
        "last_poll": optional_milliseconds(order.last_poll_at),
        "hint": optional_milliseconds(order.hint_until),
        "finished": optional_milliseconds(order.finished_at),
        "ended_by": order.ended_by.value if order.ended_by else None,
        "returned": optional_milliseconds(order.returned_at),
        "needs": compact_json(asdict(order.needs)) if order.needs else None,
        "expected_at": optional_milliseconds(order.expected_at),
        "documents": documents_text(order) or None,
        "deadline": round(order.deadline_at * 1_000),
        "ask": int(order.next_poll_at is not None),
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def change_fields(order: Order) -> dict[str, str]:
    """Return the hash fields that a look at changes writes (see `usecases.changes`); the others are absent."""
    notices = f"{round(order.event_at * 1_000)}:{order.risk_notices}" if order.event_at and order.risk_notices else None
    values = {"at_risk": "1" if order.at_risk else None, "risk": notices}
    return {name: value for name, value in values.items() if value is not None}


def tickets_text(order: Order) -> str:
    """Return the order's tickets as JSON, without empty values."""
    return compact_json([_without_empty(ticket_to_json(ticket)) for ticket in order.tickets])


def documents_text(order: Order) -> str:
    """Return the order's own documents as JSON, empty if it has none."""
    return compact_json([_without_empty(asdict(document)) for document in order.documents]) if order.documents else ""


def _without_empty(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value not in (None, {}) or name == "covers"}


def order_from(order_id: str, fields: Mapping[str, str], spec_text: str | None, tickets: str | None) -> Order:
    """Return an order from its hash, spec and tickets. An erased order has only its hash."""
    spec: Mapping[str, Any] = json.loads(spec_text) if spec_text else {"reference": "", "client": fields.get("client")}
    status = Status(fields["status"])
    polled_again = fields.get("ask") == "1"
    return Order(
        id=order_id,
        provider=fields["provider"],
        account=fields["account"],
        reference=spec["reference"],
        status=status,
        submitted_at=int(fields["submitted"]) / 1_000,
        deadline_at=int(fields["deadline"]) / 1_000,
        seq=int(fields["seq"]),
        attention=_attention(fields.get("attention")),
        attention_at=seconds(fields.get("attention_at")),
        reason=fields.get("reason"),
        provider_status=fields.get("provider_status"),
        quantity=spec.get("quantity"),
        expected=int(fields["expected"]) if "expected" in fields else None,
        bought_at=seconds(spec.get("bought_at")),
        delivery=DeliverySpeed(spec.get("delivery", DeliverySpeed.INSTANT)),
        language=spec.get("language"),
        attempts=int(fields.get("attempts", 0)),
        answered_polls=int(fields.get("answered", 0)),
        unanswered_polls=int(fields.get("failures", 0)),
        forbidden_polls=int(fields.get("refusals", 0)),
        missing_since=seconds(fields.get("missing_since")),
        last_poll_at=seconds(fields.get("last_poll")),
        hint_until=seconds(fields.get("hint")),
        not_before=seconds(fields.get("not_before")),
        next_poll_at=seconds(fields.get("due")) if polled_again else None,
        finished_at=seconds(fields.get("finished")),
        tickets=with_ids([ticket_from_json(item) for item in json.loads(tickets)]) if tickets else (),
        callback_url=spec.get("callback_url"),
        metadata=spec.get("metadata", {}),
        client=spec.get("client"),
        event_at=seconds(fields.get("event", spec.get("event_at"))),
        group=spec.get("group"),
        needs=needs_from_json(json.loads(fields["needs"])) if "needs" in fields else None,
        expected_at=seconds(fields.get("expected_at")),
        documents=tuple(map(document_from_json, json.loads(fields.get("documents") or "[]"))),
        ended_by=_ended_by(status, fields),
        returned_at=seconds(fields.get("returned")),
        updated_at=updated_at(fields),
        at_risk=status in OPEN and fields.get("at_risk") == "1",
        notified=_notified(fields),
        risk_notices=_risk_notices(fields),
        erased_at=seconds(fields.get("erased")),
        sharing=fields.get("sharing"),
        user_bound="bound" in fields,
    )


def _notified(fields: Mapping[str, str]) -> str | None:
    """Return what the backend was notified of last, `None` if release 0.2.0 sent an event since."""
    _, _, last = fields.get("events", "").rpartition(" ")
    return fields.get("notified") or None if fields.get("notified_after", "") == last else None


def _risk_notices(fields: Mapping[str, str]) -> int:
    """Return how often the backend was notified of the risk; of another event that was amended, it does not count."""
    event, _, count = fields.get("risk", "").partition(":")
    return int(count) if count and event == fields.get("event") else 0


def _ended_by(status: Status, fields: Mapping[str, str]) -> EndedBy | None:
    """Return who ended an order.

    Release 0.2.0 neither writes nor removes the field, so it may be absent or outdated.
    """
    if status in OPEN:
        return None
    if status is Status.EXPIRED:
        return EndedBy.DEADLINE
    written = fields.get("ended_by")
    if written in {EndedBy.CALLER, EndedBy.OPERATOR}:
        return EndedBy(written)
    cancelled = status is Status.CANCELLED and fields.get("reason") == CANCELLED_REASON
    return EndedBy.CALLER if cancelled else EndedBy.PROVIDER


def updated_at(fields: Mapping[str, str]) -> float:
    """Return the last change. Release 0.2.0 does not write the field, but when an order ended or needed attention."""
    names = ("submitted", "updated", "finished", "attention_at")
    return max(int(fields[name]) for name in names if name in fields) / 1_000


def _attention(text: str | None) -> Attention | None:
    """Return a reason, or `None` for one of a newer release."""
    return Attention(text) if text in set(Attention) else None


def attempt_text(attempt: Attempt) -> str:
    """Return an attempt as a compact JSON list."""
    countdown = None if attempt.countdown is None else round(attempt.countdown, 3)
    return compact_json(
        [
            milliseconds(attempt.at),
            attempt.outcome,
            attempt.http_status,
            countdown,
            attempt.why,
            round(attempt.late, 3),
        ]
    )


def attempt_from(text: str) -> Attempt:
    """Return an attempt from its JSON."""
    at, outcome, http_status, countdown, why, late, *_ = json.loads(text)
    return Attempt(at / 1_000, outcome, http_status, countdown, why, late)
