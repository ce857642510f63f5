"""What a Tixstock order says: its status word, and how many of its tickets are there.

https://pf-api-documentation.tixstock.com/v1/endpoints/order/get
"""

import re
from collections.abc import Mapping
from typing import Any

from willcall.orders.model import Attention
from willcall.orders.outcomes import Cancelled, Declined, Issued, Malformed, NotReady, Outcome, PartlyIssued
from willcall.providers.adapters.tixstock.tickets import Entrance, entrance_of, shipment_of
from willcall.providers.base import Question
from willcall.providers.reading import listed, table, whole
from willcall.providers.safe import status_word

# The words, in lower case. https://pf-api-documentation.tixstock.com/v1/endpoints/order/add
_DECLINED = {"rejected"}
#: The webhook page writes the two as one word.
_CANCELLED = {"cancelled", "canceled", "refunded", "refunded/cancelled", "refunded/canceled"}
#: Words that say nothing about tickets: those that are there count.
_OPEN = {"approved", "commissionable", "pending review", "sale on hold"}

_SLASH = re.compile(r"\s*/\s*")


def read_order(data: object, question: Question) -> Outcome:
    """The outcome of the `data` of an answer."""
    order = table(data)
    word = status_word(order.get("status"))
    final = final_word(word)
    if final:
        return final
    if word is None and not listed(order.get("items")):
        return Malformed(detail="no order in the answer")
    return _read_tickets(order, question, word, None if known_word(word) else "unknown status word")


def final_word(word: str | None) -> Declined | Cancelled | None:
    """What a status word that ends an order means, None for any other."""
    status = _plain(word)
    if status in _DECLINED:
        return Declined(reason="the order was rejected", provider_status=word)
    if status in _CANCELLED:
        return Cancelled(reason="the order was cancelled or refunded", provider_status=word)
    return None


def known_word(word: str | None) -> bool:
    """Whether Tixstock's list has the word."""
    return _plain(word) in _DECLINED | _CANCELLED | _OPEN


def _plain(word: str | None) -> str:
    return _SLASH.sub("/", (word or "").lower())


def _read_tickets(order: Mapping[str, Any], question: Question, word: str | None, remark: str | None) -> Outcome:
    """All, some or none of the tickets, whatever the status word."""
    shipment = shipment_of(order)
    if shipment is not None:
        return Issued((shipment,), provider_status=word, detail=remark)
    items = listed(order.get("items"))
    expected = _expected(order, question, len(items))
    entrances = [entrance_of(item) for item in items]
    tickets = tuple(ticket for entrance in entrances for ticket in entrance.tickets)
    remarks = [remark, *_remarks(entrances)]
    attention = Attention.MALFORMED if any(entrance.remarks for entrance in entrances) else None
    if not tickets:
        return NotReady(provider_status=word, detail=_joined(remarks), attention=attention, expected=expected)
    count = _count(entrances, expected)
    if count >= expected:
        return Issued(tickets, provider_status=word, detail=_joined(remarks))
    detail = _joined([f"{count} of {expected} tickets", *remarks])
    return PartlyIssued(tickets, expected, provider_status=word, detail=detail, attention=attention)


def _expected(order: Mapping[str, Any], question: Question, items: int) -> int:
    """How many tickets the order has: its own word first, then ours, then a ticket per item."""
    quantity = whole(order.get("quantity")) or 0
    return quantity if quantity > 0 else question.quantity or items or 1


def _count(entrances: list[Entrance], expected: int) -> int:
    """How many people can get in. With an item per ticket, an item's second file is no second ticket."""
    most = 1 if len(entrances) >= expected else expected
    return sum(min(entrance.count, most) for entrance in entrances)


def _remarks(entrances: list[Entrance]) -> list[str]:
    """What a person should know of the files, each thing once."""
    return sorted({remark for entrance in entrances for remark in entrance.remarks})


def _joined(remarks: list[str | None] | list[str]) -> str | None:
    return "; ".join(remark for remark in remarks if remark) or None
