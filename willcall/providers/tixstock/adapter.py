"""The Tixstock adapter: reads an order that was sent to the Partner Feed with Add Order, by our own id.

Webhooks bring the tickets, and polling is the safety net (`pushes.py`). Polling alone also gets all tickets, for
accounts without webhooks.

https://pf-api-documentation.tixstock.com/v1/endpoints/order/get
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from willcall.http.messages import Request, Response
from willcall.orders.matching import maximum_matching
from willcall.orders.model import Attention, Need, Needs
from willcall.orders.outcomes import (
    Cancelled,
    Declined,
    Issued,
    Malformed,
    NotReady,
    Outcome,
    PartlyIssued,
)
from willcall.orders.policy import PollPolicy, Rate
from willcall.orders.ticket_admissions import group_by_admission
from willcall.orders.ticket_identity import without_duplicates
from willcall.providers.base import AccountDefaults, Adapter, OrderQuery
from willcall.providers.path_segments import check_reference_segment, path_segment
from willcall.providers.reading import as_int, as_list, as_object, status_word, with_order
from willcall.providers.tixstock.pushes import TixstockCredentials, TixstockPushes
from willcall.providers.tixstock.reports import TixstockReports
from willcall.providers.tixstock.responses import read_body
from willcall.providers.tixstock.tickets import OrderItem, read_item, read_shipment

_CANCELLED = Cancelled("the order was cancelled or refunded")
#: What each `status` means, in lower case. Tickets count whatever a `NotReady` word says. The webhook page writes
#: `Refunded / Cancelled` as one word. https://pf-api-documentation.tixstock.com/v1/endpoints/order/add
STATUSES: Mapping[str, Outcome] = {
    "approved": NotReady(),
    "commissionable": NotReady(),
    "pending review": NotReady(needs=Needs(Need.APPROVAL, detail="The seller has to approve the order at Tixstock.")),
    "sale on hold": NotReady(needs=Needs(Need.APPROVAL, detail="Approve or reject the order at Tixstock yourself.")),
    "rejected": Declined("the order was rejected"),
    "cancelled": _CANCELLED,
    "canceled": _CANCELLED,
    "refunded": _CANCELLED,
    "refunded/cancelled": _CANCELLED,
    "refunded/canceled": _CANCELLED,
}
#: Fields of an order that are read, and the customer's data.
_READ = {"id", "customer", "items", "quantity", "status", "shipping_tracking_id", "paper_ticket_details"}
_SLASH = re.compile(r"\s*/\s*")


def _meaning(word: str | None) -> Outcome | None:
    """Return what a status word means, or `None` if it is unknown."""
    return STATUSES.get(_SLASH.sub("/", (word or "").lower()))


class TixstockAdapter(Adapter):
    """Reads one order."""

    name = "tixstock"
    credentials = TixstockCredentials
    #: 300 requests a minute per IP address are allowed, shared by all accounts on it. When a minute starts is not
    #: documented; 290 and a burst of 10 stay within any minute.
    #: https://sandbox-pf-api-documentation.tixstock.com/v1/overview/call-throttling
    defaults = AccountDefaults(rate=Rate(limit=290, period=60, burst=10), polling=PollPolicy(initial=30, cap=600))
    pushes = TixstockPushes(_meaning)
    reports = TixstockReports()

    def check_reference(self, reference: str, _credentials: TixstockCredentials, /) -> None:
        """Accept our order id there, which is one path segment."""
        check_reference_segment("order id", reference)

    def status_request(self, query: OrderQuery, credentials: TixstockCredentials, _token: str | None, /) -> Request:
        """Build `GET {base_url}/orders/get/<order id>` with the bearer token."""
        headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {credentials.bearer_token[0].get_secret_value()}",
        }
        url = f"{credentials.base_url}/orders/get/{path_segment(query.reference)}"
        return Request("GET", url, headers=headers)

    def read_status(self, query: OrderQuery, response: Response, /) -> Outcome:
        """Read the HTTP status first, then the more exact code in the body, then the order."""
        body = read_body(response)
        return _read_order(as_object(body.get("data")), query) if isinstance(body, Mapping) else body


def _read_order(order: Mapping[str, Any], query: OrderQuery) -> Outcome:
    word = status_word(order.get("status"))
    outcome = _meaning(word)
    if isinstance(outcome, Declined | Cancelled):
        return replace(outcome, provider_status=word)
    if word is None and not as_list(order.get("items")):
        return Malformed(detail="no order in the response")
    read = _read_tickets(order, query, word, None if outcome else "unknown status word")
    if isinstance(read, Issued | PartlyIssued):
        read = replace(read, tickets=with_order(read.tickets, order, _READ))
    if isinstance(outcome, NotReady) and isinstance(read, NotReady | PartlyIssued):
        return replace(read, needs=outcome.needs)
    return read


def _read_tickets(order: Mapping[str, Any], query: OrderQuery, word: str | None, remark: str | None) -> Outcome:
    """Return the outcome by the order's tickets, whatever its status word."""
    shipment = read_shipment(order)
    if shipment is not None:
        return Issued((shipment,), provider_status=word, detail=remark)
    items = [read_item(item) for item in as_list(order.get("items"))]
    expected = _expected(order, query, len(items))
    tickets = without_duplicates(ticket for item in items for ticket in item.tickets)
    remarks = [remark, *sorted({remark for item in items for remark in item.remarks})]
    attention = Attention.MALFORMED if any(item.remarks for item in items) else None
    if not tickets:
        return NotReady(provider_status=word, detail=_joined(remarks), attention=attention, expected=expected)
    count = _count(items, expected)
    if expected is not None and count >= expected:
        return Issued(tickets, provider_status=word, detail=_joined(remarks))
    detail = _joined([f"{count} of {expected} tickets", *remarks])
    return PartlyIssued(tickets, expected, provider_status=word, detail=detail, attention=attention)


def _expected(order: Mapping[str, Any], query: OrderQuery, items: int) -> int | None:
    """Return how many tickets the order has: its own number, otherwise the caller's, otherwise one per item."""
    quantity = as_int(order.get("quantity")) or 0
    return quantity if quantity > 0 else query.quantity or items or None


def _count(items: list[OrderItem], expected: int | None) -> int:
    """Return how many people the tickets let in.

    If there is an item per ticket, each item needs its own file, and a second file is not a second ticket: the number
    is that of items to which different files can be assigned.
    """
    people = group_by_admission(ticket for item in items for ticket in item.tickets)
    if expected is None or len(items) < expected:
        return len(people)
    holding = [item for item in items if item.tickets]
    return len(maximum_matching(people, holding, lambda person, item: any(ticket in item.tickets for ticket in person)))


def _joined(remarks: list[str | None]) -> str | None:
    return "; ".join(remark for remark in remarks if remark) or None
