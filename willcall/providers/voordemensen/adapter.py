"""The voordemensen adapter.

An order key alone gives access to the order, so no detail and no error contains it.

https://vdm-docs.pages.dev/api/public/order
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from willcall.http.messages import Request, Response
from willcall.orders.model import DocumentKind, Need, Needs, OrderDocument, Ticket, TicketEvent, TicketKind
from willcall.orders.outcomes import Cancelled, Issued, Malformed, NotReady, Outcome
from willcall.orders.policy import PollPolicy, Rate
from willcall.providers.base import AccountDefaults, Adapter, OrderQuery
from willcall.providers.path_segments import check_reference_segment, path_segment
from willcall.providers.reading import (
    as_int,
    as_list,
    as_object,
    as_text,
    as_web_url,
    extra_fields,
    read_json,
    status_outcome,
    status_word,
)
from willcall.providers.voordemensen.checkouts import VoordemensenCheckouts
from willcall.providers.voordemensen.credentials import VoordemensenCredentials


def _unpaid(detail: str) -> NotReady:
    return NotReady(detail=detail, needs=Needs(Need.PAYMENT, detail=detail))


_CANCELLED = Cancelled("cancelled by the customer, or the payment failed")
#: What each `order_payment_status` means, in lower case; `Issued` once the tickets can be opened.
#: https://vdm-docs.pages.dev/api/public/order#payment-statuses
STATUSES: Mapping[str, Outcome] = {
    "none": _unpaid("The customer has not tried to pay yet."),
    "pending": _unpaid("The payment is in progress."),
    "partial": _unpaid("Only a part of the order is paid."),
    "paid": Issued(()),
    "cancelled": _CANCELLED,
    "canceled": _CANCELLED,
}
#: Fields that are read; the number of tickets is what the page covers.
_READ = {"order_payment_status", "order_tickets_nr", "order_tickets_url", "order_receipt_url", "seats"}
_UNKNOWN = NotReady(detail="unknown status word")


class VoordemensenAdapter(Adapter):
    """Reads one order's payment status and the address of its page of tickets."""

    name = "voordemensen"
    credentials = VoordemensenCredentials
    checkouts = VoordemensenCheckouts()
    #: An order may be polled once every 10 seconds, whatever the configuration says.
    #: https://vdm-docs.pages.dev/api/public/order#payment-statuses
    shortest_interval = 10.0
    #: No limit for all orders is documented; five a second is our choice.
    defaults = AccountDefaults(
        rate=Rate(limit=5, period=1, burst=5), polling=PollPolicy(initial=10, cap=600, minimum=10)
    )

    def check_reference(self, reference: str, _credentials: VoordemensenCredentials, /) -> None:
        """Accept an order key, which is one path segment."""
        check_reference_segment("order_key", reference)

    def reference_is_secret(self, _reference: str, /) -> bool:
        """An order key alone gives access to the order."""
        return True

    def interval_scope(self, credentials: VoordemensenCredentials, /) -> str:
        """All accounts with one client know the same order keys."""
        return f"{credentials.base_url}/{credentials.client_name}"

    def status_request(self, query: OrderQuery, credentials: VoordemensenCredentials, _token: str | None, /) -> Request:
        """Build `GET {base_url}/<client_name>/order/<order_key>`, without credentials."""
        path = f"{path_segment(credentials.client_name)}/order/{path_segment(query.reference)}"
        return Request("GET", f"{credentials.base_url}/{path}", headers={"Accept": "application/json"})

    def read_status(self, _query: OrderQuery, response: Response, /) -> Outcome:
        """Read the HTTP status first, then the payment's status word."""
        outcome = status_outcome(response)
        if outcome is not None:
            return outcome
        body = read_json(response)
        if isinstance(body, Malformed):
            return body
        # The response to creating an order is a list of one object, so `as_object` accepts that too.
        order = as_object(body)
        word = status_word(order.get("order_payment_status"))
        if word is None:
            return Malformed(detail="no order_payment_status in the response")
        outcome = STATUSES.get(word.lower(), _UNKNOWN)
        return replace(_read_tickets(order) if isinstance(outcome, Issued) else outcome, provider_status=word)


def _read_tickets(order: Mapping[str, Any]) -> Issued | NotReady:
    """Return the page of tickets. `paid` concerns only the payment: tickets are issued once their number is given."""
    number = as_int(order.get("order_tickets_nr")) or 0
    page = as_web_url(order.get("order_tickets_url"))
    if page is None or number < 1:
        return NotReady(detail="paid, but there are no tickets yet")
    seats = as_list(order.get("seats"))
    names = {as_text(as_object(seat).get("event_name")) for seat in seats}
    event = names.pop() if len(names) == 1 else None
    ticket = Ticket(
        TicketKind.PAGE,
        url=page,
        covers=max(number, len(seats)),
        title=event,
        event=TicketEvent(title=event) if event else None,
        extra=extra_fields({**_beyond(order), "seats": seats or None}),
    )
    receipt = as_web_url(order.get("order_receipt_url"))
    return Issued((ticket,), documents=(OrderDocument(DocumentKind.RECEIPT, receipt),) if receipt else ())


def _beyond(order: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an order that are not read."""
    return {name: value for name, value in order.items() if name not in _READ}
