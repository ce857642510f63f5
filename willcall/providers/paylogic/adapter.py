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

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Cancelled, Malformed, Missing, Outcome
from willcall.orders.policy import PollPolicy, Rate
from willcall.orders.serialization import rfc3339
from willcall.providers.base import AccountDefaults, Adapter, ListedOrder, OrderQuery
from willcall.providers.credentials import Credentials, ProviderUrl
from willcall.providers.lenient_json import read_lenient_object
from willcall.providers.path_segments import check_reference_segment, path_segment
from willcall.providers.paylogic import tickets
from willcall.providers.reading import as_text, status_outcome, status_word
from willcall.setting_types.secrets import HeaderSecret, Secret, SecretText

_CANCELLED = Cancelled("the order was cancelled")
#: What each `status` of an order means, in lower case. No other word is documented; the tickets decide.
#: What the `status` of a single ticket means is in `willcall/providers/ticket_status.py`.
#: https://shopping-api-docs.sandbox.paylogic.com/documentation/order.html
STATUSES: Mapping[str, Outcome] = {"cancelled": _CANCELLED, "canceled": _CANCELLED}

_USER_LIST = "mine"
_LONGEST_BARCODE = 255


class PaylogicCredentials(Credentials):
    """Credentials at Paylogic: an application's `username` and `password`, or one user's `cognito_token`.

    https://shopping-api-docs.paylogic.com/concepts/authentication.html
    """

    base_url: ProviderUrl = "https://shopping-api.paylogic.com"
    username: SecretText | None = Field(None, repr=False)
    password: Secret | None = None
    cognito_token: HeaderSecret | None = None

    @field_validator("username")
    @classmethod
    def _no_colon(cls, username: str | None) -> str | None:
        """Reject a colon: in Basic credentials the first one ends the username."""
        if username is not None and ":" in username:
            raise ValueError("must have no colon")
        return username

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        basic = [self.username, self.password]
        if self.cognito_token is not None and any(basic):
            raise ValueError("give either username and password, or cognito_token, not both")
        if self.cognito_token is None and not all(basic):
            raise ValueError("give username and password, or cognito_token")
        return self

    @property
    def is_user(self) -> bool:
        """Whether these are one user's own, which give access to that user's tickets only."""
        return self.cognito_token is not None

    def headers(self) -> dict[str, str]:
        """Return the header that authenticates a request."""
        if self.cognito_token is not None:
            return {"Cognito-Token": self.cognito_token.get_secret_value()}
        password = self.password.get_secret_value() if self.password else ""
        return {"Authorization": f"Basic {b64encode(f'{self.username}:{password}'.encode()).decode()}"}

    def document_headers(self) -> dict[str, str]:
        """Return the same header: e-tickets may be resources like the others."""
        return self.headers()


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
        if credentials.is_user:
            return None
        return _get(credentials, "/orders", {"created__gte": rfc3339(since) or ""})

    def read_list(self, response: Response, /) -> list[ListedOrder]:
        """Return the orders of a page; those that it does not show in full are read as not ready."""
        body = read_lenient_object(response)
        if status_outcome(response) is not None or isinstance(body, Malformed):
            return []
        orders = ((as_text(order.get("uid")), order) for order in tickets.embedded(body, "shop:order") or [])
        return [ListedOrder(uid, _read_order(order, None, response.received_at)) for uid, order in orders if uid]

    def next_page(self, request: Request, response: Response, /) -> Request | None:
        """Follow `_links.next`, which is an absolute address.

        https://shopping-api-docs.paylogic.com/concepts/conventions.html
        """
        body = read_lenient_object(response)
        address = None if isinstance(body, Malformed) else tickets.link(body, "next")
        return Request("GET", address, headers=request.headers) if address else None


class PaylogicUserLists:
    """The tickets that the account's user personalised."""

    references: tuple[str, ...] = (_USER_LIST,)

    def ticket_keys(self, _query: OrderQuery, response: Response, /) -> frozenset[str]:
        """Return the keys of all tickets of the user, of any age."""
        body = read_lenient_object(response)
        return frozenset() if isinstance(body, Malformed) else tickets.user_list_keys(body, response.received_at)


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
        if kind is _Kind.BARCODE and credentials.is_user:
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

    def read_status(self, query: OrderQuery, response: Response, /) -> Outcome:
        """Return the outcome by the links, dates and status words of the order or ticket."""
        outcome = status_outcome(response)
        if outcome is not None:
            return outcome
        body, now = read_lenient_object(response), response.received_at
        if isinstance(body, Malformed):
            return body
        match _parse_reference(query.reference).kind:
            case _Kind.ORDER:
                return _read_order(body, query.quantity, now)
            case _Kind.TICKET:
                return _read_ticket(body, now)
            case _Kind.BARCODE:
                return _read_lookup(body, now)
            case _Kind.USER_LIST:
                return tickets.user_list_outcome(body, query, now)


def _get(credentials: PaylogicCredentials, path: str, params: dict[str, str] | None = None) -> Request:
    headers = {"Accept": "application/hal+json", **credentials.headers()}
    return Request("GET", f"{credentials.base_url}{path}", params or {}, headers)


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


def _read_order(order: Mapping[str, Any], quantity: int | None, now: float) -> Outcome:
    if as_text(order.get("uid")) is None:
        return Malformed(detail="no order in the response")
    word = status_word(order.get("status"))
    final = STATUSES.get((word or "").lower())
    return replace(final, provider_status=word) if final else tickets.order_outcome(order, quantity, word, now)


def _read_ticket(ticket: Mapping[str, Any], now: float) -> Outcome:
    if as_text(ticket.get("uid")) is None:
        return Malformed(detail="no ticket in the response")
    return tickets.ticket_outcome(ticket, now)


def _read_lookup(body: Mapping[str, Any], now: float) -> Outcome:
    """Read a look-up by barcode: a list of one ticket, or an empty one.

    https://shopping-api-docs.paylogic.com/documentation/tickets.html
    """
    found = tickets.embedded(body, *tickets.RELATIONS)
    if found is None:
        return Malformed(detail="no list of tickets in the response")
    if not found:
        return Missing(detail="no ticket with that barcode")
    if len({as_text(ticket.get("uid")) for ticket in found}) > 1:
        return Malformed(detail="several tickets with that barcode")
    return _read_ticket(found[0], now)
