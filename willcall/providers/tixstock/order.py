"""What a Tixstock order says: its status word, and how many of its tickets are there.

https://pf-api-documentation.tixstock.com/v1/endpoints/order/get
"""

import re
from collections.abc import Mapping
from typing import Any

from willcall.orders.matching import maximum_matching
from willcall.orders.model import Attention
from willcall.orders.outcomes import Cancelled, Declined, Issued, Malformed, NotReady, Outcome, PartlyIssued
from willcall.orders.ticket_admissions import group_by_admission
from willcall.providers.base import OrderQuery
from willcall.providers.reading import as_int, as_list, as_object
from willcall.providers.safe import status_word
from willcall.providers.tixstock.tickets import Item, item_of, shipment_of

# The words, in lower case. https://pf-api-documentation.tixstock.com/v1/endpoints/order/add
_DECLINED = {"rejected"}
#: The webhook page writes the two as one word.
_CANCELLED = {"cancelled", "canceled", "refunded", "refunded/cancelled", "refunded/canceled"}
#: Words that say nothing about tickets: those that are there count.
_OPEN = {"approved", "commissionable", "pending review", "sale on hold"}

_SLASH = re.compile(r"\s*/\s*")


def read_order(data: object, question: OrderQuery) -> Outcome:
    """The outcome of the `data` of an answer."""
    order = as_object(data)
    word = status_word(order.get("status"))
    final = final_word(word)
    if final:
        return final
    if word is None and not as_list(order.get("items")):
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


def _read_tickets(order: Mapping[str, Any], question: OrderQuery, word: str | None, remark: str | None) -> Outcome:
    """All, some or none of the tickets, whatever the status word."""
    shipment = shipment_of(order)
    if shipment is not None:
        return Issued((shipment,), provider_status=word, detail=remark)
    items = [item_of(item) for item in as_list(order.get("items"))]
    expected = _expected(order, question, len(items))
    tickets = tuple(ticket for item in items for ticket in item.tickets)
    remarks = [remark, *_remarks(items)]
    attention = Attention.MALFORMED if any(item.remarks for item in items) else None
    if not tickets:
        return NotReady(provider_status=word, detail=_joined(remarks), attention=attention, expected=expected)
    count = _count(items, expected)
    if expected is not None and count >= expected:
        return Issued(tickets, provider_status=word, detail=_joined(remarks))
    detail = _joined([f"{count} of {expected} tickets", *remarks])
    return PartlyIssued(tickets, expected, provider_status=word, detail=detail, attention=attention)


def _expected(order: Mapping[str, Any], question: OrderQuery, items: int) -> int | None:
    """Return how many tickets the order has: by its own word, else by ours, else one per item."""
    quantity = as_int(order.get("quantity")) or 0
    return quantity if quantity > 0 else question.quantity or items or None


def _count(items: list[Item], expected: int | None) -> int:
    """Return how many people can get in.

    Where there is an item per ticket, an item's second file is no second ticket, and each item needs a file of its
    own: the number is that of items which can be given different ones.
    """
    people = group_by_admission(ticket for item in items for ticket in item.tickets)
    if expected is None or len(items) < expected:
        return len(people)
    holding = [item for item in items if item.tickets]
    return len(maximum_matching(people, holding, lambda person, item: any(ticket in item.tickets for ticket in person)))


def _remarks(items: list[Item]) -> list[str]:
    """Return what a person should know of the files, each thing once."""
    return sorted({remark for item in items for remark in item.remarks})


def _joined(remarks: list[str | None] | list[str]) -> str | None:
    return "; ".join(remark for remark in remarks if remark) or None
