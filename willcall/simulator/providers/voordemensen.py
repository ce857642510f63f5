"""voordemensen: a payment status in the body of a 200; no login, the client's name is in the path.

https://vdm-docs.pages.dev/api/public/order
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from secrets import token_urlsafe
from typing import ClassVar

from willcall.simulator.http_messages import SimulatedRequest, SimulatedResponse, json_response
from willcall.simulator.order_status import SimulatedStatus
from willcall.simulator.providers.base import OrderSnapshot, Provider, RouteMatch, Scope, reason
from willcall.simulator.script import AccountScript, OrderScript, ProviderName

WORDS = {
    SimulatedStatus.PENDING: "pending",
    SimulatedStatus.PARTIAL: "partial",
    SimulatedStatus.ISSUED: "paid",
    SimulatedStatus.FAILED: "cancelled",
    SimulatedStatus.CANCELLED: "cancelled",
}


class Voordemensen(Provider):
    """`GET /v1/<client_name>/order/<order_key>`."""

    name: ClassVar[ProviderName] = "voordemensen"
    unknown_status: ClassVar[int] = 404

    def default_credentials(self, account: str) -> dict[str, str]:
        """Return a client name; `demo` is that of the documentation."""
        return {"client_name": "demo" if account == "default" else account}

    def keys(self, credentials: Mapping[str, str]) -> dict[str, Scope]:
        """The client name is the only credential."""
        return {credentials["client_name"]: "public"}

    def match_route(self, request: SimulatedRequest) -> RouteMatch:
        match request.path.split("/"):
            case ["", "v1", client_name, "order", order_key] if request.method == "GET":
                return RouteMatch("status", order_key, client_name)
            case ["", "v1", client_name, "order", "create"] if request.method == "POST":
                return RouteMatch("checkout", None, client_name)
            case ["", "v1", client_name, *_]:
                return RouteMatch("other", None, client_name)
        return RouteMatch("other")

    def order_response(self, route: RouteMatch, snapshots: Sequence[OrderSnapshot]) -> SimulatedResponse:
        """Return the order; all its tickets are on one public page."""
        snapshot = snapshots[0]
        paid = snapshot.status is SimulatedStatus.ISSUED
        seats = [
            {"seat_id": 2904 + index, "event_name": "Één avond uit", "event_type": None}
            for index in range(snapshot.order.quantity)
        ]
        return json_response(
            {
                "order_payment_status": snapshot.word or WORDS[snapshot.status],
                "order_tickets_nr": snapshot.order.quantity,
                "order_tickets_url": snapshot.document(ending="html") if paid else "",
                "order_receipt_url": snapshot.document(ending="html") + "?receipt" if paid else "",
                "seats": seats,
            }
        )

    def new_order(self, request: SimulatedRequest, account: AccountScript) -> OrderScript | None:
        """Accept a cart with the payment method and the address of the documented request."""
        try:
            body = json.loads(request.body)
            complete = bool(body["cart_id"] and body["redirectURL"]) and isinstance(body["payment_id"], int)
        except (ValueError, KeyError, TypeError):
            complete = False
        if not complete:
            return None
        key = f"{token_urlsafe(5)}-{token_urlsafe(5)}"
        return OrderScript(
            provider=self.name, account=account.name, reference=key, ready_after=account.paid_after, ends="fulfilled"
        )

    def checkout_response(self, order: OrderScript, request: SimulatedRequest) -> SimulatedResponse:
        """Return a list of one object, as documented."""
        url = f"{request.origin}/voordemensen/pay/{order.reference}"
        return json_response([{"url": url, "order_key": order.reference}])

    def error_response(self, status: int) -> SimulatedResponse:
        """Return `{"message"}`, as another endpoint does for an unknown event."""
        message = "Order not found" if status == HTTPStatus.NOT_FOUND else reason(status)
        return json_response({"message": message}, status=status)
