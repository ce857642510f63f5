"""Paylogic, Shopping Service API: HAL; a ticket is ready when it has the link `shop:eticket`.

https://shopping-api-docs.paylogic.com/documentation/tickets.html
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from math import ceil
from typing import Any, ClassVar

from willcall.simulator.phases import Phase
from willcall.simulator.providers.base import Provider, Scope, Target, View, reason
from willcall.simulator.script import OrderScript, ProviderName
from willcall.simulator.wire import Answer, Call, as_json, timestamp

#: Of the orders' statuses only `cancelled` is documented.
WORDS = {
    Phase.PENDING: "pending",
    Phase.PARTIAL: "pending",
    Phase.ISSUED: "completed",
    Phase.FAILED: "cancelled",
    Phase.CANCELLED: "cancelled",
}

HAL = "application/hal+json"
DOCS = "https://shopping-api-docs.paylogic.com/documentation"
CURIES = [{"href": f"{DOCS}/{{rel}}.html", "type": "text/html", "name": "shop", "templated": True}]
EVENT = "5b3e9744999d4d0ca56b4c5ca1f4dc49"
SINGLE = ("ticket:", "code:")
DAY = 86_400.0


class Paylogic(Provider):
    """Orders, tickets, tickets by barcode and a Cognito user's own."""

    name: ClassVar[ProviderName] = "paylogic"

    def default_credentials(self, account: str) -> dict[str, str]:
        """An application's login and a user's token."""
        return {
            "username": f"paylogic-{account}",
            "password": f"paylogic-{account}-password",
            "cognito_token": f"paylogic-{account}-cognito",
        }

    def keys(self, credentials: Mapping[str, str]) -> dict[str, Scope]:
        """Basic for applications, `Cognito-Token` for users."""
        return {
            f"Basic {credentials['username']}:{credentials['password']}": "application",
            f"Cognito {credentials['cognito_token']}": "user",
        }

    def route(self, call: Call) -> Target:
        """The paths below the base URL."""
        key, query = _key(call), call.query
        if call.method != "GET":
            return Target("other", None, key)
        match call.path.split("/"):
            case ["", "orders", *uid]:
                return Target("status" if uid else "list", "/".join(uid) or None, key, "application")
            case ["", "tickets", uid]:
                return Target("status", f"ticket:{uid}", key)
            case ["", "tickets"] if "code" in query:
                event = query.get("event", "").rstrip("/").rpartition("/")[2]
                return Target("status", f"code:{query['code']}@{event}", key, "application")
            case ["", "tickets"]:
                return Target("status", "mine", key, "user")
        return Target("other", None, key)

    def members(self, reference: str) -> str | None:
        """`mine` is whoever's token it is."""
        return "mine" if reference == "mine" else None

    def show(self, target: Target, views: Sequence[View]) -> Answer:
        """An order, a ticket, or a list of tickets."""
        reference, view = target.reference or "", views[0]
        if reference == "mine":
            return _mine(views)
        if reference.startswith("ticket:"):
            answer = as_json(_ticket(view, 0), content_type=HAL)
        elif reference.startswith("code:"):
            answer = _tickets(view, [_ticket(view, 0)])
        else:
            answer = as_json(_order(view), content_type=HAL)
        starts_at = _issuing_starts(view)
        if starts_at is not None and view.issued == 0 and starts_at > view.now:
            answer.not_before = starts_at
        return answer

    def listing(self, call: Call, views: Sequence[View]) -> tuple[Answer, Sequence[View]]:
        """Orders, from `created__gte` on."""
        since = call.query.get("created__gte")
        try:
            earliest = datetime.fromisoformat(since).timestamp() if since else 0.0
        except ValueError:
            return self.error(400), ()
        shown = [view for view in views if ceil(view.known_at) >= earliest and _is_order(view.order)]
        body = {
            "_links": {"self": {"href": f"{call.origin}/paylogic/orders"}, "curies": CURIES},
            "item_count": len(shown),
            "_embedded": {"shop:order": [_order(view) for view in shown]},
        }
        return as_json(body, content_type=HAL), shown

    def error(self, status: int) -> Answer:
        """A code and a message; the real body is not documented."""
        body = {"code": reason(status).upper().replace(" ", "_"), "message": reason(status)}
        return as_json(body, status=status)

    def aliases(self, order: OrderScript, secrets: Sequence[str]) -> list[str]:
        """Each ticket of an order or of a user can be asked for by its own id."""
        if order.reference.startswith(SINGLE):
            return []
        return [f"ticket:{ticket_uid(secret)}" for secret in secrets]


def ticket_uid(secret: str) -> str:
    """The id of an order's ticket; its document's name cannot be guessed from it."""
    return sha256(secret.encode()).hexdigest()[:32]


def _is_order(order: OrderScript) -> bool:
    """Whether the reference names an order, not a ticket or a user."""
    return order.reference != "mine" and not order.reference.startswith(SINGLE)


def _key(call: Call) -> str | None:
    """The credential: Basic of an application, or a user's token."""
    cognito = call.headers.get("Cognito-Token")
    if cognito:
        return f"Cognito {cognito}"
    scheme, _, encoded = call.headers.get("Authorization", "").partition(" ")
    try:
        return f"Basic {b64decode(encoded, validate=True).decode()}" if scheme == "Basic" else None
    except (Base64Error, UnicodeDecodeError):
        return None


def _issuing_starts(view: View) -> float | None:
    """When the provider begins to issue. Asking then is never too early, though the date is shown rounded up."""
    after = view.order.fulfillment_starts_after
    return None if after is None else view.known_at + after


def _fulfillment_starts_at(view: View) -> float | None:
    """The date that is shown: whole seconds, rounded up."""
    starts = _issuing_starts(view)
    return None if starts is None else float(ceil(starts))


def _link(view: View, path: str) -> dict[str, str]:
    """A link to another resource of the API."""
    return {"href": f"{view.origin}/paylogic/{path}"}


def _common_links(view: View, path: str) -> dict[str, Any]:
    """The links that every resource has."""
    return {
        "self": _link(view, path),
        "profile": {"href": f"{DOCS}/tickets.html", "type": "text/html"},
        "curies": CURIES,
    }


def _uid(view: View, index: int) -> str:
    """The ticket's id: of the reference itself where that names a ticket."""
    prefix, _, uid = view.order.reference.partition(":")
    return uid if prefix == "ticket" else ticket_uid(view.secrets[index])


def _order_uid(view: View) -> str:
    """The order's id, made up where the reference names something else."""
    return view.secrets[0] if ":" in view.order.reference else view.order.reference


def _code(view: View, index: int) -> str:
    """The ticket's barcode: of the reference itself where that names one."""
    prefix, _, code = view.order.reference.partition(":")
    return code.partition("@")[0] if prefix == "code" else view.barcode(index)


def _event(view: View) -> str:
    """The event's id: of the reference itself where that names one."""
    return view.order.reference.partition("@")[2] or EVENT


def _ticket(view: View, index: int) -> dict[str, Any]:
    """A ticket in full."""
    issued = index < view.issued
    starts_at = _fulfillment_starts_at(view)
    personal = view.order.needs_personalization_until
    links = _common_links(view, f"tickets/{_uid(view, index)}") | {
        "shop:event": _link(view, f"events/{_event(view)}"),
        "shop:order": _link(view, f"orders/{_order_uid(view)}"),
        "shop:personalization_request": [],
    }
    if view.order.combo and index > 0:
        links["shop:parent"] = _link(view, f"tickets/{_uid(view, 0)}")
    if issued and not (view.order.combo and index == 0):
        links |= {
            "shop:eticket": {"href": view.document(index)},
            "apple_wallet_pass": {"href": view.document(index, "pkpass")},
            "google_wallet_token": {"href": view.document(index, "jwt")},
        }
    return {
        "_links": links,
        "uid": _uid(view, index),
        "code": _code(view, index),
        "seating": {"seat": str(index + 1), "row": "C", "section": "Balcony"},
        "has_valid_subscription": False,
        "is_scanned": False,
        "status": view.word or _ticket_status(view, index),
        "needs_personalization": personal is not None and view.now < view.known_at + personal,
        "personalization_start": None if personal is None else timestamp(view.known_at),
        "personalization_end": None if personal is None else timestamp(view.known_at + personal),
        "service_fee_paid": {"currency": "EUR", "amount": "0.45"} if issued else None,
        "fulfillment_starts_at": None if starts_at is None else timestamp(starts_at),
    }


def _ticket_status(view: View, index: int) -> str:
    """Only `valid` is documented for tickets."""
    if index < view.order.transferred:
        return "transferred"
    return "cancelled" if view.phase is Phase.CANCELLED else "valid"


def _owned(view: View) -> list[dict[str, Any]]:
    """A user's tickets: the subset that the list shows, and only of those that exist."""
    return [
        {
            "_links": _common_links(view, f"tickets/{ticket_uid(secret)}")
            | {
                "shop:event": _link(view, f"events/{_own_event(view)}"),
                "shop:order": _link(view, f"orders/{view.secrets[0]}"),
            },
            "uid": ticket_uid(secret),
            "status": "valid",
            "has_valid_subscription": False,
        }
        for secret in view.secrets[: view.issued]
    ]


def _own_event(view: View) -> str:
    """An event of the order's own, so that each can be over or not."""
    return ticket_uid(f"event {view.secrets[0]}")


def _mine(views: Sequence[View]) -> Answer:
    """All tickets of a user, and their events."""
    tickets = [ticket for view in views for _ in range(view.order.listed_times) for ticket in _owned(view)]
    events = []
    for view in views:
        ago = view.order.issued_ago
        ends = view.known_at + DAY if ago is None else view.known_at - ago
        events.append(
            {
                "_links": {"self": _link(view, f"events/{_own_event(view)}")},
                "uid": _own_event(view),
                "event_start": timestamp(ends - 4 * 3_600),
                "event_end": timestamp(ends),
            }
        )
    body = {"_links": _common_links(views[0], "tickets"), "_embedded": {"shop:ticket": tickets, "shop:event": events}}
    return as_json(body, content_type=HAL)


def _order(view: View) -> dict[str, Any]:
    """An order with its tickets. The link to all e-tickets is there whatever its status.

    https://shopping-api-docs.sandbox.paylogic.com/documentation/ordercancellation.html
    """
    uid, quantity = _order_uid(view), view.order.quantity
    links = _common_links(view, f"orders/{uid}")
    links["shop:etickets"] = {"href": view.document(ending="html"), "type": "text/html"}
    product = f"{view.origin}/paylogic/products/4a8f0a6caa874d80acff3834da9bc124"
    lines: list[dict[str, Any]] = [{"product": product, "quantity": quantity}]
    if view.order.combo:
        lines = [
            {"product": product, "quantity": 1},
            {"product": f"{product}-part", "quantity": quantity - 1, "parent": product},
        ]
    tickets = [_ticket(view, index) for index in range(quantity) for _ in range(view.order.listed_times)]
    order = {
        "_links": links,
        "uid": uid,
        "reference": "525743",
        "created_date": timestamp(view.known_at),
        "status": view.word or WORDS[view.phase],
        "product_selection": lines,
    }
    return order if view.order.only_a_download else order | {"_embedded": {"shop:ticket": tickets}}


def _tickets(view: View, tickets: Sequence[dict[str, Any]]) -> Answer:
    """The list form of tickets."""
    body = {"_links": _common_links(view, "tickets"), "_embedded": {"shop:ticket": tickets}}
    return as_json(body, content_type=HAL)
