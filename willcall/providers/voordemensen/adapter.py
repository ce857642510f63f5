"""The voordemensen adapter.

The order key opens the order to whoever holds it, so it stands in no detail and no error.

https://vdm-docs.pages.dev/api/public/order
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator

from willcall.http.messages import Request, Response
from willcall.orders.model import Ticket, TicketKind
from willcall.orders.outcomes import Cancelled, Issued, Malformed, NotReady, Outcome
from willcall.orders.policy import PollPolicy, Rate
from willcall.providers.base import AccountDefaults, Credentials, OrderQuery, ProviderUrl
from willcall.providers.plain import NoList, NoOAuth, NoPushes, NoUserLists
from willcall.providers.reading import (
    as_int,
    as_list,
    as_object,
    as_text,
    as_web_url,
    extra_fields,
    read_json,
    status_outcome,
)
from willcall.providers.safe import check_path_segment, path_segment, status_word

#: Payment statuses that wait, with what they mean. `paid` and `cancelled` are read below.
#: https://vdm-docs.pages.dev/api/public/order#payment-statuses
_WAITING = {
    "none": "no payment attempt yet",
    "pending": "the payment is in progress",
    "partial": "only a part of the order is paid",
}
_CANCELLED = {"cancelled", "canceled"}
_SEAT_FIELDS = ("seat_id", "event_name", "event_type")


class VoordemensenCredentials(Credentials):
    """An account at voordemensen: the client name in the path is all there is, its endpoints are public."""

    base_url: ProviderUrl = "https://api.voordemensen.nl/v1"
    client_name: Annotated[str, AfterValidator(check_path_segment)]


class VoordemensenAdapter(NoOAuth, NoList, NoPushes, NoUserLists):
    """Reads one order's payment status and the address of its page of tickets."""

    name: ClassVar[str] = "voordemensen"
    credentials: ClassVar[type[Credentials]] = VoordemensenCredentials
    #: An order may be asked about once every 10 seconds, whatever the config says.
    #: https://vdm-docs.pages.dev/api/public/order#payment-statuses
    shortest_interval: ClassVar[float] = 10.0
    #: No limit over all orders is stated; five a second is ours.
    defaults: ClassVar[AccountDefaults] = AccountDefaults(
        rate=Rate(limit=5, period=1, burst=5),
        polling=PollPolicy(initial=10, cap=600, minimum=10),
    )

    def check_reference(
        self,
        reference: str,
        credentials: VoordemensenCredentials,  # noqa: ARG002 - the protocol's signature
    ) -> None:
        """The order key is one path segment."""
        try:
            check_path_segment(reference)
        except ValueError as error:
            raise ValueError(f"order_key {error}") from None

    def reference_is_secret(self, reference: str) -> bool:  # noqa: ARG002 - every order key is
        """The order key opens the order to whoever holds it."""
        return True

    def status_request(
        self,
        question: OrderQuery,
        credentials: VoordemensenCredentials,
        access_token: str | None,  # noqa: ARG002 - the protocol's signature
    ) -> Request:
        """`GET {base_url}/<client_name>/order/<order_key>`, without credentials."""
        path = f"{path_segment(credentials.client_name)}/order/{path_segment(question.reference)}"
        return Request("GET", f"{credentials.base_url}/{path}", headers={"Accept": "application/json"})

    def read_status(
        self,
        question: OrderQuery,  # noqa: ARG002 - the protocol's signature
        answer: Response,
    ) -> Outcome:
        """Issued once it is paid and its tickets can be opened."""
        outcome = status_outcome(answer)
        if outcome is not None:
            return outcome
        body = read_json(answer)
        if isinstance(body, Malformed):
            return body
        # Creating an order answers a list of one object; we take the same here.
        order = as_object(body[0] if isinstance(body, list) and len(body) == 1 else body)
        word = status_word(order.get("order_payment_status"))
        if word is None:
            return Malformed(detail="no order_payment_status in the answer")
        return _read_order(order, word)


def _read_order(order: Mapping[str, Any], word: str) -> Outcome:
    status = word.lower()
    if status in _CANCELLED:
        return Cancelled(reason="cancelled by the customer, or the payment failed", provider_status=word)
    if status == "paid":
        return _read_paid(order, word)
    return NotReady(detail=_WAITING.get(status, "unknown status word"), provider_status=word)


def _read_paid(order: Mapping[str, Any], word: str) -> Outcome:
    """`paid` speaks of the payment only: the tickets are issued once they are counted and have a page."""
    number = as_int(order.get("order_tickets_nr")) or 0
    page = as_web_url(order.get("order_tickets_url"))
    if page is None or number < 1:
        return NotReady(detail="paid, but there are no tickets yet", provider_status=word)
    extra = {
        "receipt_url": as_web_url(order.get("order_receipt_url")),
        "tickets_nr": number,
        "seats": [_seat(seat) for seat in as_list(order.get("seats"))],
    }
    return Issued((Ticket(TicketKind.PAGE, url=page, extra=extra_fields(extra)),), provider_status=word)


def _seat(seat: object) -> dict[str, str | None]:
    return {name: as_text(as_object(seat).get(name)) for name in _SEAT_FIELDS}
