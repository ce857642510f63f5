"""The Tixstock adapter.

Its webhooks bring the tickets and polling is the safety net (`pushes.py`); it is complete all the same, for
accounts whose webhooks are not set up.

https://pf-api-documentation.tixstock.com/v1/endpoints/order/get
"""

from typing import ClassVar

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Malformed, Outcome, Throttled, Unauthorized
from willcall.orders.policy import PollPolicy, Rate
from willcall.providers.base import AccountDefaults, Credentials, OrderQuery
from willcall.providers.lenient_json import read_lenient_object
from willcall.providers.plain import NoList, NoOAuth, NoSecretReferences, NoUserLists
from willcall.providers.pushes import Pushes
from willcall.providers.reading import status_outcome
from willcall.providers.safe import check_path_segment, path_segment
from willcall.providers.tixstock.credentials import TixstockCredentials
from willcall.providers.tixstock.errors import MINUTE, error_outcome
from willcall.providers.tixstock.order import read_order
from willcall.providers.tixstock.pushes import TixstockPushes


class TixstockAdapter(NoOAuth, NoList, NoSecretReferences, NoUserLists):
    """Reads one order that was sent there with Add Order, by our own id of it."""

    name: ClassVar[str] = "tixstock"
    credentials: ClassVar[type[Credentials]] = TixstockCredentials
    shortest_interval: ClassVar[float] = 0.0
    #: 300 requests a minute per IP address, and nobody says when that minute starts: 290 and a burst of 10
    #: keep within it wherever it does. All accounts on one address share it.
    #: https://sandbox-pf-api-documentation.tixstock.com/v1/overview/call-throttling
    defaults: ClassVar[AccountDefaults] = AccountDefaults(
        rate=Rate(limit=290, period=60, burst=10),
        polling=PollPolicy(initial=30, cap=600),
    )

    pushes: ClassVar[Pushes | None] = TixstockPushes()

    def check_reference(
        self,
        reference: str,
        credentials: TixstockCredentials,  # noqa: ARG002 - the protocol's signature
    ) -> None:
        """Our order id there is one path segment."""
        try:
            check_path_segment(reference)
        except ValueError as error:
            raise ValueError(f"order id {error}") from None

    def status_request(
        self,
        question: OrderQuery,
        credentials: TixstockCredentials,
        access_token: str | None,  # noqa: ARG002 - the protocol's signature
    ) -> Request:
        """`GET {base_url}/orders/get/<order id>` with the bearer token."""
        headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {credentials.bearer_token.get_secret_value()}",
        }
        url = f"{credentials.base_url}/orders/get/{path_segment(question.reference)}"
        return Request("GET", url, headers=headers)

    def read_status(self, question: OrderQuery, answer: Response) -> Outcome:
        """The HTTP status first, the more exact code inside the body second, then the order."""
        by_status = status_outcome(answer)
        if isinstance(by_status, Throttled):
            unsaid = by_status.retry_after is None and not by_status.by_gateway
            return MINUTE if unsaid else by_status
        if by_status is not None and not isinstance(by_status, Malformed | Unauthorized):
            return by_status
        body = read_lenient_object(answer)
        if isinstance(body, Malformed):
            return by_status or body
        return error_outcome(body, answer) or by_status or read_order(body.get("data"), question)
