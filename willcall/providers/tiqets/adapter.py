"""The Tiqets adapter (Distributor API v2).

https://developers.tiqets.dev/basics/openapi/booking-api/retrieve-tickets
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from willcall.http.messages import Request, Response
from willcall.orders.model import Ticket, TicketKind
from willcall.orders.outcomes import Cancelled, Declined, Issued, Malformed, Missing, NotReady, Outcome, Unavailable
from willcall.orders.policy import PollPolicy, Rate
from willcall.providers.base import AccountDefaults, Adapter, OrderQuery
from willcall.providers.conversations import Conversation, fetch
from willcall.providers.credentials import ProviderUrl, PushCredentials
from willcall.providers.path_segments import check_reference_segment, path_segment
from willcall.providers.reading import (
    ORDER,
    as_int,
    as_list,
    as_object,
    as_text,
    as_web_url,
    extra_fields,
    read_object,
    status_outcome,
    status_word,
    with_order,
)
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
#: Fields that are read; all others are kept in `extra`.
_READ = {"success", "order_reference_id", "order_status", "tickets_pdf_url"}
#: How codes of errors and names of fields look, and how many names are shown.
_NAME, _MOST_FIELDS = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}"), 5


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
        return _get(query, credentials, "/tickets")

    def language_error(self, language: str, /) -> str | None:
        """Accept a language of two letters, also with a region. Only the two letters are sent."""
        return None if _two_letters(language) else "must have two letters (ISO 639-1) at tiqets, such as en or nl"

    def converse(self, query: OrderQuery, credentials: TiqetsCredentials, access_token: str | None, /) -> Conversation:
        """Ask for the tickets; once they are issued, for how many people, unless the caller has said that."""
        response = yield from fetch(self.status_request(query, credentials, access_token))
        outcome = self.read_status(query, response) if response else Unavailable()
        if not isinstance(outcome, Issued):
            return outcome
        order = _known_order(query)
        if order is None and query.quantity is None:
            response = yield from fetch(_get(query, credentials, ""))
            order = _read_order_information(response, query) if response else None
        return _with_order_information(outcome, order, query)

    def read_status(self, query: OrderQuery, response: Response, /) -> Outcome:
        """Read the HTTP status first, then errors in the body, then the order's status word."""
        outcome = status_outcome(response, HTTPStatus.OK, HTTPStatus.BAD_REQUEST)
        if outcome is not None:
            return outcome
        body = read_object(response)
        if response.status == HTTPStatus.BAD_REQUEST:
            return Malformed(rejected=True, detail=_explain(body if isinstance(body, dict) else {}, "HTTP 400"))
        if isinstance(body, Malformed):
            return body
        return _error(body, query) or _read_order(body)


def _get(query: OrderQuery, credentials: TiqetsCredentials, path: str) -> Request:
    return Request(
        "GET",
        f"{credentials.base_url}/orders/{path_segment(query.reference)}{path}",
        params={"lang": _two_letters(query.language or "") or "en"},
        headers={"Authorization": f"Token {credentials.api_key.get_secret_value()}"},
    )


def _two_letters(language: str) -> str | None:
    """Return the language of a tag in the two letters that Tiqets knows, or `None`."""
    base = language.partition("-")[0].lower()
    return base if len(base) == len("en") and base.isascii() and base.isalpha() else None


def _explain(body: Mapping[str, Any], status: str) -> str:
    """Return an error's code and the names of the fields that it is about, as far as they look like names.

    https://developers.tiqets.dev/basics/error-handling
    """
    code = as_text(body.get("error_code")) or ""
    fields = [name for name in as_object(body.get("field_errors")) if _NAME.fullmatch(name)]
    about = f" ({', '.join(fields[:_MOST_FIELDS])})" if fields else ""
    return f"{status}: {code}{about}" if _NAME.fullmatch(code) else f"{status}{about}"


def _error(body: Mapping[str, Any], query: OrderQuery) -> Outcome | None:
    """Return the outcome of an error that came with HTTP 200, or of another order's tickets, or `None`.

    https://developers.tiqets.dev/basics/error-handling
    """
    if body.get("success") is False:
        if body.get("error_code") == "not_found":
            return Missing(detail="error code not_found")
        return Malformed(rejected=True, detail=_explain(body, "error in the response"))
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
    extra = extra_fields({name: value for name, value in body.items() if name not in _READ})
    return Issued((Ticket(TicketKind.PDF, url=url, covers=None, extra=extra),))


def _known_order(query: OrderQuery) -> Mapping[str, Any] | None:
    """Return what an earlier attempt has read about the order. It is read once."""
    return next((found for ticket in query.present if (found := as_object(ticket.extra.get(ORDER)))), None)


def _read_order_information(response: Response, query: OrderQuery) -> Mapping[str, Any]:
    """Return what the order says, empty if it cannot be read.

    https://developers.tiqets.dev/basics/openapi/booking-api/get-order-information
    """
    body = None if status_outcome(response) is not None else read_object(response)
    return body if isinstance(body, dict) and not _error(body, query) else {}


def _people(order: Mapping[str, Any]) -> int | None:
    """Return for how many people an order is, or `None` if one of its numbers cannot be read."""
    counts = [as_int(as_object(variant).get("count")) for variant in as_list(order.get("variants"))]
    known = [count for count in counts if count is not None and count >= 0]
    return sum(known) or None if len(known) == len(counts) else None


def _with_order_information(outcome: Issued, order: Mapping[str, Any] | None, query: OrderQuery) -> Issued:
    """Return the PDF with what the order says beyond it, and the number of people that it lets in."""
    people = query.quantity or _people(order or {})
    tickets = (replace(ticket, covers=people) for ticket in outcome.tickets)
    return replace(outcome, tickets=with_order(tickets, order or {}, _READ))
