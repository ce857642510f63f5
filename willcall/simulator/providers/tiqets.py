"""Tiqets, Distributor API v2: the status is a word in the body of a 200.

https://developers.tiqets.dev/basics/openapi/booking-api/retrieve-tickets
"""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from willcall.simulator.http_messages import SimulatedRequest, SimulatedResponse, json_response
from willcall.simulator.order_status import SimulatedStatus
from willcall.simulator.providers.base import OrderSnapshot, Provider, RouteMatch, Scope, SimulatedPush, reason
from willcall.simulator.script import OrderScript, ProviderName, PushScript

WORDS = {
    SimulatedStatus.PENDING: "pending",
    SimulatedStatus.PARTIAL: "pending",
    SimulatedStatus.ISSUED: "done",
    SimulatedStatus.FAILED: "failed",
    SimulatedStatus.CANCELLED: "cancelled",
}

#: https://developers.tiqets.dev/basics/error-handling; codes not found there follow its pattern.
ERROR_CODES = {404: "not_found", 429: "rate_limit_exceeded"}


class Tiqets(Provider):
    """`GET /v2/orders/<reference>/tickets?lang=` and `GET /v2/orders/<reference>?lang=`."""

    name: ClassVar[ProviderName] = "tiqets"

    def default_credentials(self, account: str) -> dict[str, str]:
        return {"api_key": f"tiqets-{account}-key"}

    def keys(self, credentials: Mapping[str, str]) -> dict[str, Scope]:
        """`Authorization: Token <key>`."""
        return {f"Token {credentials['api_key']}": "partner"}

    def match_route(self, request: SimulatedRequest) -> RouteMatch:
        key = request.headers.get("Authorization")
        match request.path.split("/"):
            case ["", "v2", "orders", reference, "tickets"] if request.method == "GET":
                return RouteMatch("status", reference, key)
            case ["", "v2", "orders", reference] if request.method == "GET":
                return RouteMatch("details", reference, key)
        return RouteMatch("other", None, key)

    def order_response(self, route: RouteMatch, snapshots: Sequence[OrderSnapshot]) -> SimulatedResponse:
        """Return the order; the PDF's address is null unless the order is done."""
        snapshot = snapshots[0]
        word = snapshot.word or WORDS[snapshot.status]
        done = snapshot.status is SimulatedStatus.ISSUED
        return json_response(
            {
                "success": True,
                "order_reference_id": snapshot.order.reference,
                "order_status": word,
                "tickets_pdf_url": snapshot.document() if done else None,
                "how_to_use": "Show the ticket on your phone at the entrance." if done else None,
                "post_purchase": "Be there ten minutes early." if done else None,
            }
        )

    def details_response(self, snapshot: OrderSnapshot) -> SimulatedResponse:
        """Return what the order says beyond its tickets.

        https://developers.tiqets.dev/basics/openapi/booking-api/get-order-information
        """
        return json_response(
            {
                "success": True,
                "order_reference_id": snapshot.order.reference,
                "order_status": snapshot.word or WORDS[snapshot.status],
                "product_id": 1006356,
                "promoted_product_id": None,
                "external_reference": None,
                "day": "2026-12-24",
                "timeslot": "10:30",
                "variants": [{"variant_id": 38100, "count": snapshot.order.quantity}],
                "is_currently_cancellable": False,
            }
        )

    def pushes(self, order: OrderScript) -> Sequence[PushScript]:
        """Return one notification per change of the order's status.

        https://developers.tiqets.dev/basics/openapi/webhooks/order-change-notification
        """
        changes = [] if order.ends == "never" else [order.ready_after]
        if order.cancel_after is not None:
            changes.append(order.ready_after + order.cancel_after)
        return [PushScript(kind="notification", after=after) for after in changes]

    def push(self, snapshot: OrderSnapshot, script: PushScript, credentials: Mapping[str, str]) -> SimulatedPush:
        """Return the order's id and nothing else, unsigned."""
        body = json.dumps({"order_reference_id": snapshot.order.reference}).encode()
        return SimulatedPush(body, {"Content-Type": "application/json"})

    def error_response(self, status: int) -> SimulatedResponse:
        """`success`, `error_code`, `message`, `field_errors`."""
        code = ERROR_CODES.get(status, reason(status).lower().replace(" ", "_"))
        body = {"success": False, "error_code": code, "message": f"{reason(status)}.", "field_errors": {}}
        return json_response(body, status=status)
