"""Tixstock, Partner Feed: the order with its items; an item's `file` is filled when it is fulfilled.

https://pf-api-documentation.tixstock.com/v1/endpoints/order/get
What a filled `file` holds is documented nowhere; here it is a list with the address of a ticket's PDF. Items name no
seat, unlike webhooks.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from willcall.simulator.file_forms import file_of
from willcall.simulator.phases import Phase
from willcall.simulator.providers.base import Provider, Push, Scope, Target, View, reason
from willcall.simulator.providers.tixstock_pushes import encode, payload, signature
from willcall.simulator.push_script import PushScript
from willcall.simulator.script import OrderScript, ProviderName
from willcall.simulator.wire import Answer, Call, as_json, timestamp

WORDS = {
    Phase.PENDING: "Pending Review",
    Phase.PARTIAL: "Approved",
    Phase.ISSUED: "Approved",
    Phase.FAILED: "Rejected",
    Phase.CANCELLED: "Cancelled",
}

#: https://sandbox-pf-api-documentation.tixstock.com/v1/overview/call-throttling
THROTTLED = "Too many request made, subsequent requests will be blocked for the next minute."


class Tixstock(Provider):
    """`GET /v1/orders/get/<external order id>`."""

    name: ClassVar[ProviderName] = "tixstock"

    def default_credentials(self, account: str) -> dict[str, str]:
        """A bearer token that does not expire."""
        return {"bearer_token": f"tixstock-{account}-token"}

    def keys(self, credentials: Mapping[str, str]) -> dict[str, Scope]:
        """`Authorization: Bearer <token>`."""
        return {f"Bearer {credentials['bearer_token']}": "partner"}

    def route(self, call: Call) -> Target:
        """Only one order."""
        key = call.headers.get("Authorization")
        match call.path.split("/"):
            case ["", "v1", "orders", "get", reference] if call.method == "GET":
                return Target("status", reference, key)
        return Target("other", None, key)

    def show(self, target: Target, views: Sequence[View]) -> Answer:  # noqa: ARG002 - one path only
        """One item per ticket."""
        view = views[0]
        price = f"{90 * view.order.quantity}.00"
        data = {
            "id": view.order.reference,
            "date": timestamp(view.known_at).replace("Z", "+0000"),
            "customer": {"id": "123", "first_name": "Walter", "last_name": "Smith"},
            "items": [_item(view, index) for index in range(view.order.quantity)],
            "quantity": view.order.quantity,
            "currency": "GBP",
            "sub_total": price,
            "grand_total": price,
            "status": view.word or WORDS[view.phase],
            "shipping_tracking_id": None,
            "shipping_label": "",
            "shipping_label_raw": "",
        }
        meta = {"mode": "Sandbox", "type": "partner.order.get", "request_id": view.secrets[0][:26]}
        return as_json({"data": data, "meta": meta})

    def pushes(self, order: OrderScript) -> Sequence[PushScript]:
        """One e-ticket per seat, one update per final word."""
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

    def push(self, view: View, script: PushScript, credentials: Mapping[str, str]) -> Push:
        """The whole payload, signed with the bearer token over its bytes; see `tixstock_pushes`."""
        body = payload(view, script)
        key = "not-" * (script.spoil == "signature") + credentials["bearer_token"]
        return Push(body, {"Content-Type": "application/json", "X-Tixstock-Signature": signature(body, key)})

    def error(self, status: int) -> Answer:
        """`errors` is an object for coded errors."""
        title = THROTTLED if status == 429 else reason(status)  # noqa: PLR2004 - the status itself
        body = {"data": [], "meta": {}, "errors": {"title": title, "code": str(status)}}
        return as_json(body, status=status)


def _item(view: View, index: int) -> dict[str, Any]:
    """One ticket."""
    return {
        "listing_id": "9211231",
        "general_admission": "false",
        "type": "ETicket",
        "section": "104",
        "row": "V",
        "file": [_file(view, index)] if index < view.issued else [],
        "customer": {"first_name": "Walter", "last_name": "Smith", "dob": "1993-06-24"},
    }


def _file(view: View, index: int) -> str:
    """The address of a seat's file, or the file in base64."""
    document = view.order.document
    if not document.inline:
        return view.document(index)
    return encode(file_of(document.form, view.secrets[index]), document.encoding)
