"""The adapter of Paylogic's Shopping Service.

An order has one of these references:

| reference | what it names |
|---|---|
| `<uid>` | an order with all its tickets |
| `ticket:<uid>` | one ticket |
| `code:<barcode>@<event uid>` | the ticket that has this barcode |
| `mine` | the tickets that the account's user personalised |

https://shopping-api-docs.paylogic.com/documentation/tickets.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Cancelled, Issued, Malformed, Missing, Outcome, Unavailable
from willcall.orders.policy import PollPolicy, Rate
from willcall.orders.serialization import rfc3339
from willcall.providers.base import AccountDefaults, Adapter, ListedOrder, OrderQuery
from willcall.providers.conversations import Conversation, fetch, first_answer_only, without_answers
from willcall.providers.lenient_json import read_lenient_object
from willcall.providers.path_segments import check_reference_segment, path_segment
from willcall.providers.paylogic.conversations import (
    Inquiry,
    ask_for_tickets,
    ask_for_user_list,
    resource,
    with_google_passes,
)
from willcall.providers.paylogic.credentials import PaylogicCredentials
from willcall.providers.paylogic.hal import embedded, link
from willcall.providers.paylogic.single_tickets import Reading, read_ticket
from willcall.providers.paylogic.tickets import ticket_outcome
from willcall.providers.paylogic.user_lists import RELATIONS, keys_of, listed_tickets
from willcall.providers.reading import as_text, status_outcome, status_word

_CANCELLED = Cancelled("the order was cancelled")
#: What each `status` of an order means, in lower case. No other word is documented; the tickets decide.
#: What the `status` of a single ticket means is in `willcall/providers/ticket_status.py`.
#: https://shopping-api-docs.sandbox.paylogic.com/documentation/order.html
STATUSES: Mapping[str, Outcome] = {"cancelled": _CANCELLED, "canceled": _CANCELLED}

_USER_LIST = "mine"
_LONGEST_BARCODE = 255


class _Kind(Enum):
    ORDER = auto()
    TICKET = auto()
    BARCODE = auto()
    USER_LIST = auto()


@dataclass(frozen=True, slots=True)
class _Reference:
    """What a reference names. `uid` is that of the order, the ticket, or the event of a `barcode`."""

    kind: _Kind
    uid: str = field(default="", repr=False)
    barcode: str = field(default="", repr=False)


class PaylogicListing:
    """Lists the orders of an application.

    https://shopping-api-docs.sandbox.paylogic.com/documentation/orders.html
    """

    def list_request(self, credentials: PaylogicCredentials, _token: str | None, since: float, /) -> Request | None:
        """`GET {base_url}/orders?created__gte=`."""
        if not credentials.is_application:
            return None
        return _get(credentials, "/orders", {"created__gte": rfc3339(since) or ""})

    def next_page(self, request: Request, response: Response, /) -> Request | None:
        """Follow the link `next` of the page, with the same credentials."""
        body = read_lenient_object(response)
        address = None if isinstance(body, Malformed) else link(body, "next")
        return Request("GET", address, headers=request.headers) if address else None

    def read_list(self, response: Response, /) -> list[ListedOrder]:
        """Return the orders of a page; those that a list does not show in full are read as not ready."""
        body = read_lenient_object(response)
        if status_outcome(response) is not None or isinstance(body, Malformed):
            return []
        orders = ((as_text(order.get("uid")), order) for order in embedded(body, "shop:order") or [])
        return [ListedOrder(uid, _read_listed_order(order, response.received_at)) for uid, order in orders if uid]


class PaylogicUserLists:
    """The tickets that the account's user personalised."""

    references: tuple[str, ...] = (_USER_LIST,)

    def ticket_keys(self, _query: OrderQuery, response: Response, /) -> frozenset[str]:
        """Return the keys of all tickets of the user on the first page, of any age."""
        body = read_lenient_object(response)
        if isinstance(body, Malformed):
            return frozenset()
        return keys_of(listed_tickets(body, Reading(response.received_at)))


class PaylogicAdapter(Adapter):
    """Reads an order, one ticket, a barcode's ticket or a user's own tickets."""

    name = "paylogic"
    credentials = PaylogicCredentials
    #: No limit is documented; five a second is our choice.
    defaults = AccountDefaults(rate=Rate(limit=5, period=1, burst=5), polling=PollPolicy(initial=10, cap=600))
    listing = PaylogicListing()
    user_lists = PaylogicUserLists()
    user_credential = "cognito_token"

    def check_reference(self, reference: str, credentials: PaylogicCredentials, /) -> None:
        """Accept the four forms of references, as far as the account's credentials give access to them."""
        kind = _parse_reference(reference).kind
        if kind is _Kind.USER_LIST and not credentials.is_user:
            raise ValueError("mine needs a cognito_token, of the account or of the order")
        if kind is _Kind.BARCODE and not credentials.is_application:
            raise ValueError("barcodes need an account with username and password")

    def reference_is_secret(self, reference: str, /) -> bool:
        """A barcode is what the customer shows at the gate; uids give no access without the account."""
        return _parse_reference(reference).kind is _Kind.BARCODE

    def status_request(self, query: OrderQuery, credentials: PaylogicCredentials, _token: str | None, /) -> Request:
        """Return the request for the order's form of reference."""
        reference = _parse_reference(query.reference)
        uid = path_segment(reference.uid)
        match reference.kind:
            case _Kind.ORDER:
                return _get(credentials, f"/orders/{uid}")
            case _Kind.TICKET:
                return _get(credentials, f"/tickets/{uid}")
            case _Kind.BARCODE:
                # The event is named by its address.
                event = f"{credentials.base_url}/events/{uid}"
                return _get(credentials, "/tickets", {"code": reference.barcode, "event": event})
            case _Kind.USER_LIST:
                return _get(credentials, "/tickets")

    def converse(
        self, query: OrderQuery, credentials: PaylogicCredentials, access_token: str | None, /
    ) -> Conversation:
        """Ask for the reference, and then for what the response only links to."""
        response = yield from fetch(self.status_request(query, credentials, access_token))
        if response is None:
            return Unavailable()
        outcome = status_outcome(response)
        if outcome is not None:
            return outcome
        body = read_lenient_object(response)
        if isinstance(body, Malformed):
            return body
        inquiry = Inquiry(query, credentials, Reading(response.received_at, query.language))
        return (yield from _CONTINUATIONS[_parse_reference(query.reference).kind](inquiry, body))

    def read_status(self, query: OrderQuery, response: Response, /) -> Outcome:
        """Return the outcome by the first response alone."""
        nobody = PaylogicCredentials.model_construct(base_url="https://shopping-api.paylogic.com")
        return first_answer_only(self.converse(query, nobody, None), response, query.ownership)


def _get(credentials: PaylogicCredentials, path: str, params: dict[str, str] | None = None) -> Request:
    return Request("GET", f"{credentials.base_url}{path}", params or {}, _headers(credentials))


def _headers(credentials: PaylogicCredentials) -> dict[str, str]:
    return {"Accept": "application/hal+json", **credentials.headers()}


def _parse_reference(reference: str) -> _Reference:
    """Return what a reference names. Raises ValueError, which does not repeat it, for any other form."""
    if reference == _USER_LIST:
        return _Reference(_Kind.USER_LIST)
    kind, colon, rest = reference.partition(":")
    if not colon:
        return _Reference(_Kind.ORDER, check_reference_segment("order uid", reference))
    if kind == "ticket":
        return _Reference(_Kind.TICKET, check_reference_segment("ticket uid", rest))
    if kind == "code":
        return _parse_barcode(rest)
    raise ValueError("must be an order uid, ticket:<uid>, code:<barcode>@<event uid> or mine")


def _parse_barcode(value: str) -> _Reference:
    barcode, _, event = value.rpartition("@")
    if not barcode or not barcode.isprintable() or len(barcode) > _LONGEST_BARCODE:
        raise ValueError("must be code:<barcode>@<event uid>")
    return _Reference(_Kind.BARCODE, check_reference_segment("event uid", event), barcode)


def _ask_for_order(inquiry: Inquiry, order: Mapping[str, Any]) -> Conversation:
    if as_text(order.get("uid")) is None:
        return Malformed(detail="no order in the response")
    word = status_word(order.get("status"))
    final = STATUSES.get((word or "").lower())
    return replace(final, provider_status=word) if final else (yield from ask_for_tickets(inquiry, order, word))


def _read_listed_order(order: Mapping[str, Any], now: float) -> Outcome:
    """Return the outcome of an order as a list shows it."""
    nobody = PaylogicCredentials.model_construct(base_url="")
    conversation = _ask_for_order(Inquiry(OrderQuery(""), nobody, Reading(now)), order)
    return without_answers(conversation)


def _ticket_outcome(ticket: Mapping[str, Any], reading: Reading) -> Outcome:
    if as_text(ticket.get("uid")) is None:
        return Malformed(detail="no ticket in the response")
    return ticket_outcome(read_ticket(ticket, reading))


def _look_up(inquiry: Inquiry, body: Mapping[str, Any]) -> Conversation:
    """Read a look-up by barcode: a list of one ticket, or an empty one. Its order may be cancelled as a whole.

    https://shopping-api-docs.paylogic.com/documentation/tickets.html
    """
    found = embedded(body, *RELATIONS)
    if found is None:
        return Malformed(detail="no list of tickets in the response")
    if not found:
        return Missing(detail="no ticket with that barcode")
    if len({as_text(ticket.get("uid")) for ticket in found}) > 1:
        return Malformed(detail="several tickets with that barcode")
    outcome = _ticket_outcome(found[0], inquiry.reading)
    address = link(found[0], "shop:order")
    if isinstance(outcome, Issued) and inquiry.may_get(address):
        order = yield from resource(inquiry, address or "")
        word = status_word(order.get("status")) if order else None
        if final := STATUSES.get((word or "").lower()):
            return replace(final, provider_status=word)
    return (yield from with_google_passes(inquiry, outcome))


def _ask_for_ticket(inquiry: Inquiry, ticket: Mapping[str, Any]) -> Conversation:
    return (yield from with_google_passes(inquiry, _ticket_outcome(ticket, inquiry.reading)))


#: What is asked beyond the first response, by the kind of reference.
_CONTINUATIONS: Mapping[_Kind, Callable[[Inquiry, Mapping[str, Any]], Conversation]] = {
    _Kind.ORDER: _ask_for_order,
    _Kind.TICKET: _ask_for_ticket,
    _Kind.BARCODE: _look_up,
    _Kind.USER_LIST: ask_for_user_list,
}
