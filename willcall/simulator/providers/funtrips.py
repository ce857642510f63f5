"""Funtrips: the HTTP status says whether tickets are ready, 202 with `Retry-After` until then.

https://docs.funtrips.io - the body of the 200 is not documented in full. Each path returns another form, so that a
client has to read all of them: a list of records for `checkout_id`, an object with `items` for the records of a user
or of all users, a single record for a headless checkout.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any, ClassVar
from urllib.parse import quote_plus

from willcall.simulator.http_messages import (
    SimulatedRequest,
    SimulatedResponse,
    json_response,
    set_retry_after,
    timestamp,
)
from willcall.simulator.order_status import SimulatedStatus, combined_status
from willcall.simulator.providers.base import OrderSnapshot, Provider, RouteMatch, Scope, reason
from willcall.simulator.script import AccountScript, ProviderName

#: After the internal events on https://docs.funtrips.io/reference/confirmfulfillment
WORDS = {
    SimulatedStatus.PENDING: "PENDING",
    SimulatedStatus.PARTIAL: "CONFIRMED",
    SimulatedStatus.ISSUED: "COMPLETED",
    SimulatedStatus.FAILED: "FAILED",
    SimulatedStatus.CANCELLED: "CANCELLED",
}

DAY = 86_400

#: The name that this simulator gives to the time window, which the guide leaves open; and the documented page size.
SINCE_PARAMETER = "created_since"
PAGE_SIZE = 20


class Funtrips(Provider):
    """The admin, headless and OAuth paths."""

    name: ClassVar[ProviderName] = "funtrips"

    def default_credentials(self, account: str) -> dict[str, str]:
        """Return an OAuth client for servers and a public bearer token for headless checkouts."""
        return {
            "client_id": f"funtrips-{account}",
            "client_secret": f"funtrips-{account}-secret",
            "public_bearer": f"funtrips-{account}-public",
        }

    def keys(self, credentials: Mapping[str, str]) -> dict[str, Scope]:
        """The client may only request tokens; the public bearer token may only see its own session."""
        clients = dict.fromkeys(self.token_keys(credentials).values(), "client")
        return {**clients, f"Bearer {credentials['public_bearer']}": "public"}

    def token_keys(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """Return Basic as in RFC 6749, Basic without its encoding, and the form body."""
        client, secret = credentials["client_id"], credentials["client_secret"]
        return {
            "basic": f"basic {quote_plus(client)}:{quote_plus(secret)}",
            "basic_raw": f"basic {client}:{secret}",
            "body": f"body {client}:{secret}",
        }

    def match_route(self, request: SimulatedRequest) -> RouteMatch:
        key = request.headers.get("Authorization")
        match request.method, request.path.split("/"):
            case "POST", ["", "oauth", "token"]:
                return RouteMatch("token", None, _client(request), "client")
            case "GET", ["", "v1", "admin", "fulfillments"]:
                user = request.query.get("external_user_id")
                reference = request.query.get("checkout_id") or (f"user:{user}" if user else None)
                return RouteMatch("status" if reference else "list", reference, key, "admin", _page(request))
            case "GET", ["", "v1", "checkouts", checkout_id, "fulfillment"]:
                return RouteMatch("status", checkout_id, key, "public")
            case "GET", ["", "v1", "me", "fulfillments"]:
                return RouteMatch("status", "me", key, "public", _page(request))
        return RouteMatch("other", None, key)

    def user_of(self, reference: str) -> str | None:
        return _user(reference)

    def order_response(self, route: RouteMatch, snapshots: Sequence[OrderSnapshot]) -> SimulatedResponse:
        """Return 202 until a record has tickets."""
        grouped = _user(route.reference or "") is not None
        status = combined_status([snapshot.status for snapshot in snapshots])
        word = snapshots[0].word
        if not word and (status is SimulatedStatus.PENDING or (status is SimulatedStatus.PARTIAL and not grouped)):
            hint = snapshots[0].order.pending_hint
            waiting = json_response({"status": "PENDING"}, status=202)
            waiting.headers["Cache-Control"] = "no-store"
            return set_retry_after(waiting, hint.retry_after, hint.form, snapshots[0].now)
        if grouped:
            return _records(snapshots, route.page)
        record = _record(snapshots[0])
        return json_response(record if route.scope == "public" else [record] * snapshots[0].order.listed_times)

    def list_response(
        self,
        request: SimulatedRequest,
        snapshots: Sequence[OrderSnapshot],
    ) -> tuple[SimulatedResponse, Sequence[OrderSnapshot]]:
        """Return the records since a moment, also those without tickets yet; a list needs a filter."""
        since = request.query.get(SINCE_PARAMETER)
        if since is None:
            return self.error_response(400), ()
        earliest = datetime.fromisoformat(since).timestamp()
        shown = [snapshot for snapshot in snapshots if ceil(snapshot.known_at) >= earliest]
        return _records(shown), shown

    def error_response(self, status: int) -> SimulatedResponse:
        body = {"type": "about:blank", "title": reason(status), "status": status}
        return json_response(body, status=status, content_type="application/problem+json")

    def token_response(self, token: str, script: AccountScript) -> SimulatedResponse:
        """Return a token as in RFC 6749, section 5.1, or as the script deviates from it."""
        life = {"number": script.token_lifetime, "text": str(script.token_lifetime)}.get(script.token_lifetime_form)
        body = {"access_token": token, "token_type": "bearer"} | ({} if life is None else {"expires_in": life})
        answer = json_response(body, status=script.token_status)
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _user(reference: str) -> str | None:
    """Return the user that a reference names, if any; `me` is the user of the session."""
    if reference == "me":
        return reference
    return reference.removeprefix("user:") if reference.startswith("user:") else None


def _client(request: SimulatedRequest) -> str | None:
    """Return the client's credentials, from HTTP Basic or from the form."""
    if request.form.get("grant_type") != "client_credentials":
        return None
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return f"body {request.form.get('client_id')}:{request.form.get('client_secret')}"
    try:
        return f"basic {b64decode(encoded, validate=True).decode()}"
    except (Base64Error, UnicodeDecodeError):
        return None


def _record(snapshot: OrderSnapshot) -> dict[str, Any]:
    """Return a fulfilment record; its tickets are an empty list until they are issued."""
    ago = snapshot.order.issued_ago
    validity = {"valid_from": timestamp(snapshot.known_at), "valid_until": timestamp(snapshot.known_at + 30 * DAY)}
    if ago is not None:
        validity = {
            "valid_from": timestamp(snapshot.known_at - ago - DAY),
            "valid_until": timestamp(snapshot.known_at - ago),
        }
    user = _user(snapshot.order.reference)
    return {
        "fulfillment_order_id": snapshot.secrets[0],
        "checkout_id": f"chk-{snapshot.secrets[0]}" if user else snapshot.order.reference,
        "external_user_id": user or snapshot.order.external_user_id,
        "status": snapshot.word or WORDS[snapshot.status],
        "last_mutation_date": timestamp(snapshot.now if ago is None else snapshot.known_at - ago),
        "tickets": [
            {
                "ticket_id": snapshot.secrets[index],
                "barcode": snapshot.barcode(index),
                "barcode_format": "QR",
                "pdf_url": snapshot.document(index),
                **validity,
            }
            for index in range(snapshot.issued)
        ],
    }


def _records(snapshots: Sequence[OrderSnapshot], page: int = 1) -> SimulatedResponse:
    """Return a page of a list, whose tickets have no addresses of PDFs.

    https://docs.funtrips.io/reference/adminlistuserfulfillmentorders
    """
    records = [_listed(_record(snapshot)) for snapshot in snapshots for _ in range(snapshot.order.listed_times)]
    size = next((snapshot.order.page_size for snapshot in snapshots if snapshot.order.page_size), PAGE_SIZE)
    more = page * size < len(records)
    shown = records[(page - 1) * size : page * size]
    return json_response({"items": shown, "next_cursor": f"page-{page + 1}" if more else None})


def _listed(record: dict[str, Any]) -> dict[str, Any]:
    tickets = [{name: value for name, value in ticket.items() if name != "pdf_url"} for ticket in record["tickets"]]
    return {**record, "tickets": tickets}


def _page(request: SimulatedRequest) -> int:
    number = request.query.get("cursor", "").removeprefix("page-")
    return int(number) if number.isdecimal() and len(number) < len("100000") else 1
