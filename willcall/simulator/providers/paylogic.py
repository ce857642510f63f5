"""Paylogic, Shopping Service API: HAL; a ticket is ready when it has the link `shop:eticket`.

https://shopping-api-docs.paylogic.com/documentation/tickets.html
"""

import json
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from math import ceil
from typing import Any, ClassVar
from urllib.parse import urlencode

from willcall.simulator.http_messages import SimulatedRequest, SimulatedResponse, json_response, timestamp
from willcall.simulator.order_status import SimulatedStatus
from willcall.simulator.providers.base import OrderSnapshot, Provider, RouteMatch, Scope, reason
from willcall.simulator.script import OrderScript, ProviderName

#: Of the orders' statuses only `cancelled` is documented.
WORDS = {
    SimulatedStatus.PENDING: "pending",
    SimulatedStatus.PARTIAL: "pending",
    SimulatedStatus.ISSUED: "completed",
    SimulatedStatus.FAILED: "cancelled",
    SimulatedStatus.CANCELLED: "cancelled",
}

HAL = "application/hal+json"
DOCS = "https://shopping-api-docs.paylogic.com/documentation"
CURIES = [{"href": f"{DOCS}/{{rel}}.html", "type": "text/html", "name": "shop", "templated": True}]
EVENT = "5b3e9744999d4d0ca56b4c5ca1f4dc49"
PRODUCT = "4a8f0a6caa874d80acff3834da9bc124"
#: The person on the sample's ticket, and the form for a ticket without one.
CONSUMER = {
    "first_name": "Blaise",
    "last_name": "Test",
    "date_of_birth": "1970-01-01",
    "email": "blaise@example.com",
    "phone_number": "",
    "gender": 1,
    "address": "Sesamstraat 123",
    "postal_code": "1234AA",
    "city": "Amsterdam",
    "country": "NL",
}
FORM = {name: {"required": True} for name in ("gender", "first_name", "last_name", "date_of_birth", "email")}
SINGLE = ("ticket:", "code:")
DAY = 86_400.0


class Paylogic(Provider):
    """Orders, tickets, tickets by barcode and a Cognito user's own."""

    name: ClassVar[ProviderName] = "paylogic"

    def default_credentials(self, account: str) -> dict[str, str]:
        """Return an application's login and a user's token."""
        return {
            "username": f"paylogic-{account}",
            "password": f"paylogic-{account}-password",
            "cognito_token": f"paylogic-{account}-cognito",
        }

    def keys(self, credentials: Mapping[str, str]) -> dict[str, Scope]:
        """Basic for applications, `Cognito-Token` for users, `Bearer` for applications with fewer rights."""
        bearer = credentials.get("bearer")
        return ({f"Bearer {bearer}": "front end"} if bearer else {}) | {
            f"Basic {credentials['username']}:{credentials['password']}": "application",
            f"Cognito {credentials['cognito_token']}": "user",
        }

    def match_route(self, request: SimulatedRequest) -> RouteMatch:
        key, query = _key(request), request.query
        if request.method != "GET":
            return RouteMatch("other", None, key)
        match request.path.split("/"):
            case ["", "orders", *uid]:
                scope = None if uid else "application"
                return RouteMatch("status" if uid else "list", "/".join(uid) or None, key, scope)
            case ["", "tickets", uid, *rest] if rest in ([], ["google-wallet-token"]):
                # Tickets are documented for applications with Basic and for users.
                scope = "application" if (key or "").startswith("Bearer ") else None
                return RouteMatch("details" if rest else "status", f"ticket:{uid}", key, scope)
            case ["", "tickets"] if "code" in query:
                event = query.get("event", "").rstrip("/").rpartition("/")[2]
                return RouteMatch("status", f"code:{query['code']}@{event}", key, "application")
            case ["", "tickets"]:
                return RouteMatch("status", "mine", key, "user", cursor=query.get("page"))
        return RouteMatch("other", None, key)

    def user_of(self, reference: str) -> str | None:
        """`mine` is the user of the token."""
        return "mine" if reference == "mine" else None

    def order_response(self, route: RouteMatch, snapshots: Sequence[OrderSnapshot]) -> SimulatedResponse:
        reference, snapshot = route.reference or "", snapshots[0]
        if reference == "mine":
            return _mine(snapshots, _page_number(route.cursor))
        if reference.startswith("ticket:"):
            answer = json_response(_ticket(snapshot, 0), content_type=HAL)
        elif reference.startswith("code:"):
            answer = _tickets(snapshot, [_ticket(snapshot, 0)])
        else:
            answer = json_response(_order(snapshot), content_type=HAL)
        starts_at = _issuing_starts(snapshot)
        if starts_at is not None and snapshot.issued == 0 and starts_at > snapshot.now:
            answer.not_before = starts_at
        return answer

    def details_response(self, snapshot: OrderSnapshot) -> SimulatedResponse:
        """Return the token for Google Wallet, whose form is not documented."""
        return SimulatedResponse(200, jwt(snapshot.secrets[0]).encode(), {"Content-Type": "application/jwt"})

    def list_response(
        self, request: SimulatedRequest, snapshots: Sequence[OrderSnapshot], page_size: int | None = None
    ) -> tuple[SimulatedResponse, Sequence[OrderSnapshot]]:
        """Return orders, from `created__gte` on."""
        since = request.query.get("created__gte")
        try:
            earliest = datetime.fromisoformat(since).timestamp() if since else 0.0
        except ValueError:
            return self.error_response(400), ()
        shown = [
            snapshot for snapshot in snapshots if ceil(snapshot.known_at) >= earliest and _is_order(snapshot.order)
        ]
        number, pages = _page(request, len(shown), page_size)
        page = shown[(number - 1) * (page_size or 0) :][: page_size or len(shown)]
        body = {
            "_links": _page_links(request, number, pages) | {"curies": CURIES},
            "item_count": len(shown),
            "_embedded": {"shop:order": [_order(snapshot) for snapshot in page]},
        }
        return json_response(body, content_type=HAL), page

    def error_response(self, status: int) -> SimulatedResponse:
        """Return a code and a message; the real body is not documented."""
        body = {"code": reason(status).upper().replace(" ", "_"), "message": reason(status)}
        return json_response(body, status=status)

    def aliases(self, order: OrderScript, secrets: Sequence[str]) -> list[str]:
        """Each ticket of an order or of a user can be requested by its own id."""
        if order.reference.startswith(SINGLE):
            return []
        return [f"ticket:{ticket_uid(secret)}" for secret in secrets]


def ticket_uid(secret: str) -> str:
    """Return the id of an order's ticket; its document's name cannot be guessed from it."""
    return sha256(secret.encode()).hexdigest()[:32]


def _is_order(order: OrderScript) -> bool:
    """Return whether the reference names an order, not a ticket or a user."""
    return order.reference != "mine" and not order.reference.startswith(SINGLE)


def _key(request: SimulatedRequest) -> str | None:
    """Return the credential: Basic or a JSON Web Token of an application, or a user's token."""
    cognito = request.headers.get("Cognito-Token")
    if cognito:
        return f"Cognito {cognito}"
    authorization = request.headers.get("Authorization", "")
    scheme, _, encoded = authorization.partition(" ")
    if scheme == "Bearer":
        return authorization
    try:
        return f"Basic {b64decode(encoded, validate=True).decode()}" if scheme == "Basic" else None
    except (Base64Error, UnicodeDecodeError):
        return None


def _page(request: SimulatedRequest, count: int, size: int | None) -> tuple[int, int]:
    """Return the number of the page that is requested, and how many there are. The parameter is not documented."""
    written = request.query.get("page", "1")
    pages = ceil(count / size) if size else 1
    return int(written) if written.isdecimal() and int(written) > 0 else 1, max(pages, 1)


def _page_links(request: SimulatedRequest, number: int, pages: int) -> dict[str, Any]:
    """Return the links to other pages.

    https://shopping-api-docs.sandbox.paylogic.com/documentation/orders.html
    """
    numbers = {"self": number, "first": 1, "prev": number - 1, "next": number + 1, "last": pages}
    query = {name: value for name, value in request.query.items() if name != "page"}
    return {
        name: {"href": f"{request.origin}/paylogic{request.path}?{urlencode({**query, 'page': page})}"}
        for name, page in numbers.items()
        if 1 <= page <= pages
    }


def _issuing_starts(snapshot: OrderSnapshot) -> float | None:
    """Return when issuing starts. The date shown is rounded up; a request at the exact time is not too early."""
    after, moves = snapshot.order.fulfillment_starts_after, snapshot.order.fulfillment_moves
    if moves is not None and snapshot.now >= snapshot.known_at + moves[0]:
        after = moves[1]
    return None if after is None else snapshot.known_at + after


def _fulfillment_starts_at(snapshot: OrderSnapshot) -> float | None:
    """Return the date that is shown: whole seconds, rounded up."""
    starts = _issuing_starts(snapshot)
    return None if starts is None else float(ceil(starts))


def _link(snapshot: OrderSnapshot, path: str) -> dict[str, str]:
    return {"href": f"{snapshot.origin}/paylogic/{path}"}


def _common_links(snapshot: OrderSnapshot, path: str) -> dict[str, Any]:
    return {
        "self": _link(snapshot, path),
        "profile": {"href": f"{DOCS}/tickets.html", "type": "text/html"},
        "curies": CURIES,
    }


def _uid(snapshot: OrderSnapshot, index: int) -> str:
    """Return the ticket's id: that of the reference if it names a ticket."""
    prefix, _, uid = snapshot.order.reference.partition(":")
    return uid if prefix == "ticket" else ticket_uid(snapshot.secrets[index])


def _order_uid(snapshot: OrderSnapshot) -> str:
    """Return the order's id, made up if the reference names something else."""
    return snapshot.secrets[0] if ":" in snapshot.order.reference else snapshot.order.reference


def _code(snapshot: OrderSnapshot, index: int) -> str:
    """Return the ticket's barcode: that of the reference if it names one."""
    prefix, _, code = snapshot.order.reference.partition(":")
    return code.partition("@")[0] if prefix == "code" else snapshot.barcode(index)


def _event(snapshot: OrderSnapshot) -> str:
    """Return the event's id: that of the reference if it names one."""
    return snapshot.order.reference.partition("@")[2] or EVENT


def _ticket(snapshot: OrderSnapshot, index: int) -> dict[str, Any]:
    issued = index < snapshot.issued
    starts_at = _fulfillment_starts_at(snapshot)
    personal = snapshot.order.needs_personalization_until
    links = _common_links(snapshot, f"tickets/{_uid(snapshot, index)}") | {
        "shop:event": _link(snapshot, f"events/{_event(snapshot)}"),
        "shop:order": _link(snapshot, f"orders/{_order_uid(snapshot)}"),
        "shop:personalization_request": [],
    }
    if snapshot.order.combo and index > 0:
        links["shop:parent"] = _link(snapshot, f"tickets/{_uid(snapshot, 0)}")
    if issued and not (snapshot.order.combo and index == 0):
        links |= {
            "shop:eticket": {"href": snapshot.document(index)},
            "apple_wallet_pass": {"href": snapshot.document(index, "pkpass")},
            "google_wallet_token": _link(snapshot, f"tickets/{_uid(snapshot, index)}/google-wallet-token"),
        }
    return {
        "_links": links,
        "uid": _uid(snapshot, index),
        "code": _code(snapshot, index),
        "seating": {
            "seat": str(index + 1),
            "row": "C",
            "section": "Balcony",
            "seat_label": _texts(en=f"Seat {index + 1}", nl=f"Stoel {index + 1}"),
            "row_label": _texts(en="Row C", nl="Rij C"),
            "section_label": _texts(en="Balcony", nl="Balkon"),
            "venue": _texts(en="Paradiso"),
        },
        "subproduct": _texts(en="North entrance", nl="Ingang noord"),
        "price": {"currency": "EUR", "amount": "10.00"},
        "consumer": CONSUMER,
        "scannable_until": timestamp(snapshot.known_at + 30 * DAY),
        "has_valid_subscription": False,
        "is_scanned": False,
        "status": snapshot.word or _ticket_status(snapshot, index),
        "needs_personalization": personal is not None and snapshot.now < snapshot.known_at + personal,
        "personalization_start": None if personal is None else timestamp(snapshot.known_at),
        "personalization_end": None if personal is None else timestamp(snapshot.known_at + personal),
        "personalization_form": FORM,
        "service_fee_paid": {"currency": "EUR", "amount": "0.45"} if issued else None,
        "fulfillment_starts_at": None if starts_at is None else timestamp(starts_at),
        "_embedded": {"shop:product": _product(snapshot)},
    }


def _ticket_status(snapshot: OrderSnapshot, index: int) -> str:
    """Return a status word; only `valid` is documented for tickets."""
    if index < snapshot.order.transferred:
        return "transferred"
    return "cancelled" if snapshot.status is SimulatedStatus.CANCELLED else "valid"


def _user_tickets(snapshot: OrderSnapshot) -> list[dict[str, Any]]:
    """Return a user's issued tickets, with the fields that the list shows."""
    return [
        {
            "_links": _common_links(snapshot, f"tickets/{ticket_uid(secret)}")
            | {
                "shop:product": _link(snapshot, f"products/{PRODUCT}"),
                "shop:event": _link(snapshot, f"events/{_event_of_order(snapshot)}"),
                "shop:order": _link(snapshot, f"orders/{snapshot.secrets[0]}"),
            },
            "uid": ticket_uid(secret),
            "status": "valid",
            "has_valid_subscription": False,
        }
        for secret in snapshot.secrets[: snapshot.issued]
    ]


def _event_of_order(snapshot: OrderSnapshot) -> str:
    """Return the id of an event that belongs to this order alone, so that it can end by itself."""
    return ticket_uid(f"event {snapshot.secrets[0]}")


def _mine(snapshots: Sequence[OrderSnapshot], page: int) -> SimulatedResponse:
    tickets = [
        ticket
        for snapshot in snapshots
        for _ in range(snapshot.order.listed_times)
        for ticket in _user_tickets(snapshot)
    ]
    events = []
    for snapshot in snapshots:
        ago = snapshot.order.issued_ago
        ends = snapshot.known_at + DAY if ago is None else snapshot.known_at - ago
        events.append(
            {
                "_links": {"self": _link(snapshot, f"events/{_event_of_order(snapshot)}")},
                "uid": _event_of_order(snapshot),
                "title": _texts(en="Seventies LIVE", nl="Seventies LIVE"),
                "location": {"name": "Paradiso - Kleine zaal", "postal_code": "", "country": "NL", "city": "Amsterdam"},
                "event_start": timestamp(ends - 4 * 3_600),
                "event_end": timestamp(ends),
            }
        )
    links = _common_links(snapshots[0], "tickets")
    size = snapshots[0].order.page_size
    if page * size < len(tickets):
        links["next"] = _link(snapshots[0], f"tickets?page={page + 1}")
    shown = tickets[(page - 1) * size : page * size]
    body = {
        "_links": links,
        "_embedded": {"shop:ticket": shown, "shop:event": events, "shop:product": [_product(snapshots[0])]},
    }
    return json_response(body, content_type=HAL)


def _order(snapshot: OrderSnapshot) -> dict[str, Any]:
    """Return an order with its tickets. The link to all e-tickets does not depend on its status.

    https://shopping-api-docs.sandbox.paylogic.com/documentation/ordercancellation.html
    """
    uid, quantity = _order_uid(snapshot), snapshot.order.quantity
    links = _common_links(snapshot, f"orders/{uid}")
    links["shop:etickets"] = {"href": snapshot.document(ending="html"), "type": "text/html"}
    product = f"{snapshot.origin}/paylogic/products/{PRODUCT}"
    lines: list[dict[str, Any]] = [{"product": product, "quantity": quantity}]
    if snapshot.order.combo:
        lines = [
            {"product": product, "quantity": 1},
            {"product": f"{product}-part", "quantity": quantity - 1, "parent": product},
        ]
    tickets = [_ticket(snapshot, index) for index in range(quantity) for _ in range(snapshot.order.listed_times)]
    if snapshot.order.linked:
        links["shop:ticket"] = [_link(snapshot, f"tickets/{_uid(snapshot, index)}") for index in range(quantity)]
    order = {
        "_links": links,
        "uid": uid,
        "reference": "525743",
        "created_date": timestamp(snapshot.known_at),
        "status": snapshot.word or WORDS[snapshot.status],
        "product_selection": lines,
    }
    links_only = snapshot.order.only_a_download or snapshot.order.linked
    return order if links_only else order | {"_embedded": {"shop:ticket": tickets}}


def _product(snapshot: OrderSnapshot) -> dict[str, Any]:
    """Return a product as it is embedded in tickets and lists."""
    return {
        "_links": {"self": _link(snapshot, f"products/{PRODUCT}")},
        "uid": PRODUCT,
        "name": _texts(en="Day ticket", nl="Dagkaart"),
        "subtitle": _texts(),
        "price": {"amount": "10.00", "currency": "EUR"},
        "reference": "1669",
    }


def _texts(**texts: str) -> dict[str, str]:
    """Return a text in the languages of the service; those without one are empty."""
    return {language: texts.get(language, "") for language in ("de", "en", "es", "fr", "nl", "pt", "tr")}


def jwt(secret: str) -> str:
    """Return a token in the form of a JWT, which is the same for the same ticket."""
    parts = ({"alg": "RS256", "typ": "JWT"}, {"iss": "paylogic", "typ": "savetowallet", "id": ticket_uid(secret)})
    encoded = [urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, urlsafe_b64encode(sha256(secret.encode()).digest()).decode().rstrip("=")])


def _page_number(written: str | None) -> int:
    return int(written) if written and written.isdecimal() and len(written) < len("100000") else 1


def _tickets(snapshot: OrderSnapshot, tickets: Sequence[dict[str, Any]]) -> SimulatedResponse:
    body = {"_links": _common_links(snapshot, "tickets"), "_embedded": {"shop:ticket": tickets}}
    return json_response(body, content_type=HAL)
