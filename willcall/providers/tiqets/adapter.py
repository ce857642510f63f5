"""The Tiqets adapter (Distributor API v2).

https://developers.tiqets.dev/basics/openapi/booking-api/retrieve-tickets
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from willcall.http.messages import Request, Response
from willcall.orders.model import Ticket, TicketKind
from willcall.orders.outcomes import Cancelled, Declined, Issued, Malformed, Missing, NotReady, Outcome
from willcall.orders.policy import PollPolicy, Rate
from willcall.providers.base import AccountDefaults, Adapter, OrderQuery
from willcall.providers.credentials import ProviderUrl, PushCredentials
from willcall.providers.path_segments import check_reference_segment, path_segment
from willcall.providers.reading import as_text, as_web_url, extra_fields, read_object, status_outcome, status_word
from willcall.providers.tiqets.pushes import TiqetsPushes
from willcall.setting_types.secrets import HeaderSecret

#: What each `order_status` means, in lower case; `Issued` once there is a PDF. `processing` is an older word, and the
#: guide writes `canceled` for the `cancelled` of the reference.
#: https://developers.tiqets.dev/basics/openapi/booking-api/get-order-information
STATUSES: Mapping[str, Outcome] = {
    "new": NotReady(detail="the order is not confirmed yet"),
    "pending": NotReady(detail="being fulfilled"),
    "processing": NotReady(detail="being fulfilled"),
    "done": Issued(()),
    "failed": Declined("the order failed and cannot be fulfilled"),
    "cancelled": Cancelled("the order was cancelled"),
    "canceled": Cancelled("the order was cancelled"),
}
_UNKNOWN = NotReady(detail="unknown status word")
_EXTRA = ("how_to_use", "post_purchase")


class TiqetsCredentials(PushCredentials):
    """Credentials at Tiqets: the partner's API key, and the secret part of the webhook address."""

    base_url: ProviderUrl = "https://api.tiqets.com/v2"
    api_key: HeaderSecret


class TiqetsAdapter(Adapter):
    """Reads one order's status and the address of the PDF with all its tickets."""

    name = "tiqets"
    credentials = TiqetsCredentials
    #: Only fair use is documented; ten a second stays below the fifteen at which partners received a 429.
    #: The back-off grows to the upper end of the 5 to 10 minutes that the guide suggests.
    #: https://developers.tiqets.dev/basics/openapi/booking-api/retrieve-tickets
    defaults = AccountDefaults(rate=Rate(limit=10, period=1, burst=10), polling=PollPolicy(initial=5, cap=600))
    pushes = TiqetsPushes()

    def check_reference(self, reference: str, _credentials: TiqetsCredentials, /) -> None:
        """Accept an order reference id, which is one path segment."""
        check_reference_segment("order reference id", reference)

    def status_request(self, query: OrderQuery, credentials: TiqetsCredentials, _token: str | None, /) -> Request:
        """Build `GET {base_url}/orders/<reference>/tickets?lang=`, in English if the order names no language."""
        return Request(
            "GET",
            f"{credentials.base_url}/orders/{path_segment(query.reference)}/tickets",
            params={"lang": query.language or "en"},
            headers={"Authorization": f"Token {credentials.api_key.get_secret_value()}"},
        )

    def read_status(self, query: OrderQuery, response: Response, /) -> Outcome:
        """Read the HTTP status first, then errors in the body, then the order's status word."""
        outcome = status_outcome(response)
        if outcome is not None:
            return outcome
        body = read_object(response)
        if isinstance(body, Malformed):
            return body
        return _error(body, query) or _read_order(body)


def _error(body: Mapping[str, Any], query: OrderQuery) -> Outcome | None:
    """Return the outcome of an error that came with HTTP 200, or of another order's tickets, or `None`.

    https://developers.tiqets.dev/basics/error-handling
    """
    if body.get("success") is False:
        if body.get("error_code") == "not_found":
            return Missing(detail="error code not_found")
        return Malformed(detail="the response states an error")
    other = as_text(body.get("order_reference_id"))
    if other is not None and other != query.reference:
        return Malformed(detail="the response is about another order")
    return None


def _read_order(body: Mapping[str, Any]) -> Outcome:
    word = status_word(body.get("order_status"))
    if word is None:
        return Malformed(detail="no order_status in the response")
    outcome = STATUSES.get(word.lower(), _UNKNOWN)
    if isinstance(outcome, Issued):
        outcome = _read_tickets(body)
    return replace(outcome, provider_status=word)


def _read_tickets(body: Mapping[str, Any]) -> Issued | NotReady:
    """Return the PDF. Its address is null until the order is done, and may be missing for a while after that."""
    url = as_web_url(body.get("tickets_pdf_url"))
    if url is None:
        return NotReady(detail="done, but there is no PDF yet")
    extra = extra_fields({name: body.get(name) for name in _EXTRA})
    return Issued((Ticket(TicketKind.PDF, url=url, extra=extra),))
