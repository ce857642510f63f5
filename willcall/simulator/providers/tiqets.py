"""Tiqets, Distributor API v2: the status is a word in the body of a 200.

https://developers.tiqets.dev/basics/openapi/booking-api/retrieve-tickets
"""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from willcall.simulator.phases import Phase
from willcall.simulator.providers.base import Provider, Push, Scope, Target, View, reason
from willcall.simulator.push_script import PushScript
from willcall.simulator.script import OrderScript, ProviderName
from willcall.simulator.wire import Answer, Call, as_json

WORDS = {
    Phase.PENDING: "pending",
    Phase.PARTIAL: "pending",
    Phase.ISSUED: "done",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
}

#: https://developers.tiqets.dev/basics/error-handling; the words not found there follow its pattern.
ERROR_CODES = {404: "not_found", 429: "rate_limit_exceeded"}


class Tiqets(Provider):
    """`GET /v2/orders/<reference>/tickets?lang=`."""

    name: ClassVar[ProviderName] = "tiqets"

    def default_credentials(self, account: str) -> dict[str, str]:
        """An API key."""
        return {"api_key": f"tiqets-{account}-key"}

    def keys(self, credentials: Mapping[str, str]) -> dict[str, Scope]:
        """`Authorization: Token <key>`."""
        return {f"Token {credentials['api_key']}": "partner"}

    def route(self, call: Call) -> Target:
        """Only the tickets of one order."""
        key = call.headers.get("Authorization")
        match call.path.split("/"):
            case ["", "v2", "orders", reference, "tickets"] if call.method == "GET":
                return Target("status", reference, key)
        return Target("other", None, key)

    def show(self, target: Target, views: Sequence[View]) -> Answer:  # noqa: ARG002 - one path only
        """The PDF's address is null unless the order is done."""
        view = views[0]
        word = view.word or WORDS[view.phase]
        done = view.phase is Phase.ISSUED
        return as_json(
            {
                "success": True,
                "order_reference_id": view.order.reference,
                "order_status": word,
                "tickets_pdf_url": view.document() if done else None,
                "how_to_use": "Show the ticket on your phone at the entrance." if done else None,
                "post_purchase": "Be there ten minutes early." if done else None,
            }
        )

    def pushes(self, order: OrderScript) -> Sequence[PushScript]:
        """One notification per change of the order's status.

        https://developers.tiqets.dev/basics/openapi/webhooks/order-change-notification
        """
        changes = [] if order.ends == "never" else [order.ready_after]
        if order.cancel_after is not None:
            changes.append(order.ready_after + order.cancel_after)
        return [PushScript(kind="notification", after=after) for after in changes]

    def push(self, view: View, script: PushScript, credentials: Mapping[str, str]) -> Push:  # noqa: ARG002
        """The order's id and nothing else, unsigned."""
        body = json.dumps({"order_reference_id": view.order.reference}).encode()
        return Push(body, {"Content-Type": "application/json"})

    def error(self, status: int) -> Answer:
        """`success`, `error_code`, `message`, `field_errors`."""
        code = ERROR_CODES.get(status, reason(status).lower().replace(" ", "_"))
        body = {"success": False, "error_code": code, "message": f"{reason(status)}.", "field_errors": {}}
        return as_json(body, status=status)
