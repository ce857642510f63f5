"""voordemensen: a payment status in the body of a 200; no login, the client's name is in the path.

https://vdm-docs.pages.dev/api/public/order
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from willcall.simulator.phases import Phase
from willcall.simulator.providers.base import Provider, Scope, Target, View, reason
from willcall.simulator.script import ProviderName
from willcall.simulator.wire import Answer, Call, as_json

WORDS = {
    Phase.PENDING: "pending",
    Phase.PARTIAL: "partial",
    Phase.ISSUED: "paid",
    Phase.FAILED: "cancelled",
    Phase.CANCELLED: "cancelled",
}


class Voordemensen(Provider):
    """`GET /v1/<client_name>/order/<order_key>`."""

    name: ClassVar[ProviderName] = "voordemensen"
    unknown_status: ClassVar[int] = 404

    def default_credentials(self, account: str) -> dict[str, str]:
        """`demo` is the client name that the documentation uses."""
        return {"client_name": "demo" if account == "default" else account}

    def keys(self, credentials: Mapping[str, str]) -> dict[str, Scope]:
        """The client name is all there is."""
        return {credentials["client_name"]: "public"}

    def route(self, call: Call) -> Target:
        """Only the status of one order."""
        match call.path.split("/"):
            case ["", "v1", client_name, "order", order_key] if call.method == "GET":
                return Target("status", order_key, client_name)
            case ["", "v1", client_name, *_]:
                return Target("other", None, client_name)
        return Target("other")

    def show(self, target: Target, views: Sequence[View]) -> Answer:  # noqa: ARG002 - one path only
        """All tickets of an order are on one public page."""
        view = views[0]
        paid = view.phase is Phase.ISSUED
        seats = [
            {"seat_id": 2904 + index, "event_name": "Één avond uit", "event_type": None}
            for index in range(view.order.quantity)
        ]
        return as_json(
            {
                "order_payment_status": view.word or WORDS[view.phase],
                "order_tickets_nr": view.order.quantity,
                "order_tickets_url": view.document(ending="html") if paid else "",
                "order_receipt_url": view.document(ending="html") + "?receipt" if paid else "",
                "seats": seats,
            }
        )

    def error(self, status: int) -> Answer:
        """`{"message"}`, as a sibling endpoint has it for an unknown event."""
        return as_json({"message": "Order not found" if status == 404 else reason(status)}, status=status)  # noqa: PLR2004
