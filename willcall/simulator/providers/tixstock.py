"""Tixstock, Partner Feed: the order with its items; an item's `file` is filled when it is fulfilled.

https://pf-api-documentation.tixstock.com/v1/endpoints/order/get
The content of a filled `file` is not documented; here it is a list with the address of a ticket's PDF. Items name no
seat, unlike webhooks.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from willcall.simulator.documents import make_file
from willcall.simulator.http_messages import SimulatedRequest, SimulatedResponse, json_response, timestamp
from willcall.simulator.order_status import SimulatedStatus
from willcall.simulator.providers.base import OrderSnapshot, Provider, RouteMatch, Scope, SimulatedPush, reason
from willcall.simulator.providers.tixstock_pushes import encode, payload, signature
from willcall.simulator.script import OrderScript, ProviderName, PushScript

WORDS = {
    SimulatedStatus.PENDING: "Approved",
    SimulatedStatus.PARTIAL: "Approved",
    SimulatedStatus.ISSUED: "Approved",
    SimulatedStatus.FAILED: "Rejected",
    SimulatedStatus.CANCELLED: "Cancelled",
}

#: What Update Order allows. https://pf-api-documentation.tixstock.com/v1/endpoints/order/update
ORDER_STATUSES = frozenset(
    {"Approved", "Commissionable", "Rejected", "Cancelled", "Refunded", "Pending Review", "Sale on Hold"}
)

#: https://sandbox-pf-api-documentation.tixstock.com/v1/overview/call-throttling
THROTTLED = "Too many request made, subsequent requests will be blocked for the next minute."


class Tixstock(Provider):
    """`GET /v1/orders/get/<external order id>` and `POST /v1/orders/update/<external order id>`."""

    name: ClassVar[ProviderName] = "tixstock"

    def default_credentials(self, account: str) -> dict[str, str]:
        """Return a bearer token that does not expire."""
        return {"bearer_token": f"tixstock-{account}-token"}

    def keys(self, credentials: Mapping[str, str]) -> dict[str, Scope]:
        """`Authorization: Bearer <token>`."""
        return {f"Bearer {credentials['bearer_token']}": "partner"}

    def match_route(self, request: SimulatedRequest) -> RouteMatch:
        key = request.headers.get("Authorization")
        match request.path.split("/"):
            case ["", "v1", "orders", "get", reference] if request.method == "GET":
                return RouteMatch("status", reference, key)
            case ["", "v1", "orders", "update", reference] if request.method == "POST":
                return RouteMatch("report", reference, key)
        return RouteMatch("other", None, key)

    def order_response(self, route: RouteMatch, snapshots: Sequence[OrderSnapshot]) -> SimulatedResponse:
        return json_response({"data": order_data(snapshots[0]), "meta": _meta(snapshots[0], "partner.order.get")})

    def report_response(
        self, request: SimulatedRequest, snapshot: OrderSnapshot
    ) -> tuple[SimulatedResponse, str | None]:
        """Return the order with its new status, or an error for a word that the endpoint does not allow."""
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        word = body.get("order_status") if isinstance(body, dict) else None
        if word not in ORDER_STATUSES:
            invalid = {"data": [], "meta": {}, "errors": ["The selected order status is invalid."]}
            return json_response(invalid, status=HTTPStatus.BAD_REQUEST), None
        data = {**order_data(snapshot), "status": word}
        return json_response({"data": data, "meta": _meta(snapshot, "partner.order.update")}), word

    def pushes(self, order: OrderScript) -> Sequence[PushScript]:
        """Return one e-ticket per seat, one update per final status."""
        early = order.partial_after
        half = max(order.quantity // 2, 1) if early is not None else 0
        file: dict[str, Any] = {"form": order.document.form, "encoding": order.document.encoding}
        if order.placeholder_seats:
            file |= {"row": "TBC", "seat": "TBC"}
        sent = [PushScript(kind="eticket", after=early or 0.0, ticket=index, **file) for index in range(half)]
        if order.ends == "fulfilled":
            rest = range(half, order.quantity)
            sent += [PushScript(kind="eticket", after=order.ready_after, ticket=index, **file) for index in rest]
        elif order.ends != "never":
            word = "Rejected" if order.ends == "failed" else "Cancelled"
            sent.append(PushScript(kind="update", after=order.ready_after, status=word))
        if order.cancel_after is not None:
            sent.append(PushScript(kind="update", after=order.ready_after + order.cancel_after, status="Cancelled"))
        return sent

    def push(self, snapshot: OrderSnapshot, script: PushScript, credentials: Mapping[str, str]) -> SimulatedPush:
        """Return the payload, signed over its bytes with the bearer token; see `tixstock_pushes`."""
        body = payload(snapshot, script)
        key = "not-" * (script.spoil == "signature") + credentials["bearer_token"]
        return SimulatedPush(body, {"Content-Type": "application/json", "X-Tixstock-Signature": signature(body, key)})

    def error_response(self, status: int) -> SimulatedResponse:
        """`errors` is an object for coded errors."""
        title = THROTTLED if status == HTTPStatus.TOO_MANY_REQUESTS else reason(status)
        body = {"data": [], "meta": {}, "errors": {"title": title, "code": str(status)}}
        return json_response(body, status=status)


def _meta(snapshot: OrderSnapshot, kind: str) -> dict[str, Any]:
    return {"mode": "Sandbox", "type": kind, "request_id": snapshot.secrets[0][:26]}


def order_data(snapshot: OrderSnapshot) -> dict[str, Any]:
    """Return the order with every documented field."""
    price = f"{90 * snapshot.order.quantity}.00"
    address = {
        "address_line_1": "1 Example Street",
        "address_line_2": "",
        "town": "London",
        "postcode": "N1 1AA",
        "country": "GB",
    }
    return {
        "id": snapshot.order.reference,
        "date": timestamp(snapshot.known_at).replace("Z", "+0000"),
        "customer": {
            "id": "123",
            "first_name": "Walter",
            "last_name": "Smith",
            "email_address": "walter.smith@example.com",
            "contact_number": "+441234567890",
            "billing_address": address,
            "shipping_address": address,
        },
        "items": [_item(snapshot, index) for index in range(snapshot.order.quantity)],
        "quantity": snapshot.order.quantity,
        "currency": "GBP",
        "sub_total": price,
        "grand_total": price,
        "status": snapshot.word or WORDS[snapshot.status],
        "shipping_tracking_id": None,
        "shipping_label": "",
        "shipping_label_raw": "",
    }


def _item(snapshot: OrderSnapshot, index: int) -> dict[str, Any]:
    return {
        "listing_id": "9211231",
        "general_admission": "false",
        "type": "ETicket",
        "section": "104",
        "row": "V",
        "file": [_file(snapshot, index)] if index < snapshot.issued else [],
        "customer": {"first_name": "Walter", "last_name": "Smith", "dob": "1993-06-24"},
    }


def _file(snapshot: OrderSnapshot, index: int) -> str:
    """Return the address of a ticket's file, or the file in base64."""
    document = snapshot.order.document
    if not document.inline:
        return snapshot.document(index)
    return encode(make_file(document.form, snapshot.secrets[index]), document.encoding)
