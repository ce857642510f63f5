"""The Paylogic adapter.

https://shopping-api-docs.paylogic.com/documentation/tickets.html
"""

from typing import ClassVar

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Malformed, Outcome
from willcall.orders.policy import PollPolicy, Rate
from willcall.orders.serialization import rfc3339
from willcall.providers.base import AccountDefaults, Credentials, ListedOrder, OrderQuery
from willcall.providers.lenient_json import read_lenient_object
from willcall.providers.paylogic.answers import mine_keys, read_lookup, read_mine, read_order, read_ticket
from willcall.providers.paylogic.credentials import PaylogicCredentials
from willcall.providers.paylogic.hal import embedded
from willcall.providers.paylogic.references import Barcode, Mine, OrderUid, TicketUid, parse_reference
from willcall.providers.plain import NoOAuth, NoPushes
from willcall.providers.reading import as_text, status_outcome
from willcall.providers.safe import path_segment


class PaylogicAdapter(NoOAuth, NoPushes):
    """Reads an order, one ticket, a barcode's ticket or a user's own tickets."""

    name: ClassVar[str] = "paylogic"
    credentials: ClassVar[type[Credentials]] = PaylogicCredentials
    shortest_interval: ClassVar[float] = 0.0
    user_references: ClassVar[tuple[str, ...]] = ("mine",)
    #: No limit is stated; five a second is ours.
    defaults: ClassVar[AccountDefaults] = AccountDefaults(
        rate=Rate(limit=5, period=1, burst=5),
        polling=PollPolicy(initial=10, cap=600),
    )

    def check_reference(self, reference: str, credentials: PaylogicCredentials) -> None:
        """One of the four kinds, and one that the account's credentials may ask for."""
        match parse_reference(reference):
            case Mine() if not credentials.is_user:
                raise ValueError("mine needs an account with cognito_token")
            case OrderUid() | Barcode() if credentials.is_user:
                raise ValueError("orders and barcodes need an account with username and password")

    def reference_is_secret(self, reference: str) -> bool:
        """A barcode is what the customer shows at the gate; uids open nothing without the account."""
        return isinstance(parse_reference(reference), Barcode)

    def status_request(
        self,
        question: OrderQuery,
        credentials: PaylogicCredentials,
        access_token: str | None,  # noqa: ARG002 - the protocol's signature
    ) -> Request:
        """The request for the kind of reference that the order has."""
        match parse_reference(question.reference):
            case OrderUid(uid):
                return _get(credentials, f"/orders/{path_segment(uid)}")
            case TicketUid(uid):
                return _get(credentials, f"/tickets/{path_segment(uid)}")
            case Barcode(code, event):
                # The event is named by its address.
                event_url = f"{credentials.base_url}/events/{path_segment(event)}"
                return _get(credentials, "/tickets", {"code": code, "event": event_url})
            case Mine():
                return _get(credentials, "/tickets")

    def read_status(self, question: OrderQuery, answer: Response) -> Outcome:
        """The outcome that the order's or ticket's links, dates and words mean."""
        outcome = status_outcome(answer)
        if outcome is not None:
            return outcome
        body = read_lenient_object(answer)
        if isinstance(body, Malformed):
            return body
        match parse_reference(question.reference):
            case OrderUid():
                return read_order(body, question.quantity, answer.received_at)
            case TicketUid():
                return read_ticket(body, answer.received_at)
            case Barcode():
                return read_lookup(body, answer.received_at)
            case Mine():
                return read_mine(body, question, answer.received_at)

    def listed_ticket_keys(self, question: OrderQuery, answer: Response) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """All tickets of the user, of whatever age."""
        body = read_lenient_object(answer)
        return frozenset() if isinstance(body, Malformed) else mine_keys(body, answer.received_at)

    def list_request(
        self,
        credentials: PaylogicCredentials,
        access_token: str | None,  # noqa: ARG002 - the protocol's signature
        since: float,
    ) -> Request | None:
        """`GET {base_url}/orders?created__gte=`: orders created since, of an application only.

        https://shopping-api-docs.sandbox.paylogic.com/documentation/orders.html
        """
        if credentials.is_user:
            return None
        return _get(credentials, "/orders", {"created__gte": rfc3339(since) or ""})

    def read_list(self, answer: Response) -> list[ListedOrder]:
        """The first page's orders; those that a list cannot tell everything of are read as not ready."""
        body = read_lenient_object(answer)
        if status_outcome(answer) is not None or isinstance(body, Malformed):
            return []
        orders = ((as_text(order.get("uid")), order) for order in embedded(body, "shop:order") or [])
        return [ListedOrder(uid, read_order(order, None, answer.received_at)) for uid, order in orders if uid]


def _get(credentials: PaylogicCredentials, path: str, params: dict[str, str] | None = None) -> Request:
    headers = {"Accept": "application/hal+json", **credentials.headers()}
    return Request("GET", f"{credentials.base_url}{path}", params or {}, headers)
