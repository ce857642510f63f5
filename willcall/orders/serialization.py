"""Orders, tickets and attempts as the JSON of `willcall.schemas`, and tickets back."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from willcall.orders.model import OPEN, Attempt, Attention, Order, Ticket, TicketKind, TicketStatus
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
    enums = {"kind": TicketKind(document["kind"]), "status": TicketStatus(document.get("status", TicketStatus.VALID))}
    return Ticket(**{**known_members(Ticket, document), **enums})


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
    if order.status not in OPEN or order.attention is not Attention.PERSONALIZATION:
        return None
    detail = ORDER_TROUBLES[order.attention].what
    return schemas.Needs(what="personalization", until=utc(order.needed_by), url=None, detail=detail)


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
    )
