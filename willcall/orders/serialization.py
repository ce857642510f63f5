"""Orders, tickets and attempts as the JSON of `willcall.schemas`, and tickets back."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from willcall.orders.model import (
    OPEN,
    Attempt,
    DocumentKind,
    Money,
    Need,
    Needs,
    Order,
    OrderDocument,
    Ticket,
    TicketEvent,
    TicketKind,
    TicketStatus,
)
from willcall.orders.outcomes import ATTENTION_OF_NEED
from willcall.orders.troubles import ORDER_TROUBLES
from willcall.schemas import orders as schemas
from willcall.schemas.base import format_utc, utc


def rfc3339(moment: float | None) -> str | None:
    """Return epoch seconds as a UTC time such as `2026-11-22T10:00:00Z`."""
    return None if moment is None else format_utc(utc(moment))


def known_members(kind: type[Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a document that are fields of a dataclass. A newer release may write further ones."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in document.items() if name in names}


def ticket_to_json(ticket: Ticket) -> dict[str, Any]:
    return ticket_schema(ticket).to_json()


def ticket_from_json(document: Mapping[str, Any]) -> Ticket:
    """Read a ticket that `ticket_to_json` wrote."""
    parts = {
        "kind": TicketKind(document["kind"]),
        "status": TicketStatus(document.get("status", TicketStatus.VALID)),
        "event": _part(TicketEvent, document.get("event")),
        "price": _part(Money, document.get("price")),
        "fee": _part(Money, document.get("fee")),
    }
    return Ticket(**{**known_members(Ticket, document), **parts})


def document_from_json(document: Mapping[str, Any]) -> OrderDocument:
    """Read a document that `asdict` wrote."""
    return OrderDocument(**{**known_members(OrderDocument, document), "kind": DocumentKind(document["kind"])})


def needs_from_json(document: Mapping[str, Any]) -> Needs | None:
    """Read what `asdict` wrote; `None` for a need that only a newer release knows."""
    if document["what"] not in set(Need):
        return None
    return Needs(**{**known_members(Needs, document), "what": Need(document["what"])})


def _part(kind: type[Any], document: Mapping[str, Any] | None) -> Any:
    return kind(**known_members(kind, document)) if document else None


def order_schema(order: Order) -> schemas.Order:
    return schemas.Order(
        id=order.id,
        provider=order.provider,
        account=order.account,
        reference=order.reference,
        status=order.status.value,
        attention=order.attention.value if order.attention else None,
        reason=order.reason,
        provider_status=order.provider_status,
        quantity=order.quantity,
        attempts=order.attempts,
        submitted_at=utc(order.submitted_at),
        not_before=utc(order.not_before),
        next_poll_at=utc(order.next_poll_at),
        deadline_at=utc(order.deadline_at),
        finished_at=utc(order.finished_at),
        tickets=tuple(map(ticket_schema, order.tickets)),
        callback_url=order.callback_url,
        metadata=order.metadata,
        client=order.client,
        event_at=utc(order.event_at),
        group=order.group,
        ended_by=order.ended_by.value if order.ended_by else None,
        updated_at=utc(order.updated_at),
        at_risk=order.at_risk,
        needs=order_needs(order),
        expected_at=utc(order.expected_at),
        documents=tuple(map(document_schema, order.documents)),
        erased_at=utc(order.erased_at),
    )


def order_to_json(order: Order) -> dict[str, Any]:
    return order_schema(order).to_json()


def attempt_schema(attempt: Attempt) -> schemas.Attempt:
    return schemas.Attempt(
        at=utc(attempt.at),
        outcome=attempt.outcome,
        http_status=attempt.http_status,
        countdown=attempt.countdown,
        why=attempt.why,
        late=attempt.late,
    )


def order_needs(order: Order) -> schemas.Needs | None:
    """Return what somebody has to do before the tickets of an open order come."""
    needs = order.needs
    if order.status not in OPEN or needs is None:
        return None
    attention = ATTENTION_OF_NEED[needs.what]
    detail = needs.detail or (ORDER_TROUBLES[attention].what if attention else None)
    return schemas.Needs(what=needs.what.value, until=utc(needs.until), url=needs.url, detail=detail, form=needs.form)


def document_schema(document: OrderDocument) -> schemas.OrderDocument:
    return schemas.OrderDocument(
        kind=document.kind.value,
        document=document.document,
        url=document.url,
        content_type=document.content_type,
    )


def ticket_schema(ticket: Ticket) -> schemas.Ticket:
    return schemas.Ticket(
        kind=ticket.kind.value,
        document=ticket.document,
        url=ticket.url,
        code=ticket.code,
        code_format=ticket.code_format,
        section=ticket.section,
        row=ticket.row,
        seat=ticket.seat,
        valid_from=ticket.valid_from,
        valid_until=ticket.valid_until,
        status=ticket.status.value,
        extra=ticket.extra,
        content_type=ticket.content_type,
        id=ticket.id,
        entrance_id=ticket.entrance_id,
        covers=ticket.covers,
        wallet=ticket.wallet,
        title=ticket.title,
        entrance=ticket.entrance,
        seat_label=ticket.seat_label,
        event=schemas.TicketEvent(**asdict(ticket.event)) if ticket.event else None,
        price=schemas.Money(**asdict(ticket.price)) if ticket.price else None,
        fee=schemas.Money(**asdict(ticket.fee)) if ticket.fee else None,
        holder=ticket.holder,
    )
