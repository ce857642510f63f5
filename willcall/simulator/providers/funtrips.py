"""Funtrips: the HTTP status says whether tickets are ready, 202 with `Retry-After` until then.

https://docs.funtrips.io - the body of the 200 is not documented in full. Each path returns another form, so that a
client has to read all of them: a list of records for `checkout_id`, an object with `items` for the records of a user
or of a time window, a single record for a headless checkout.

As documented: lists have pages of 20 records, the newest first, with an opaque cursor and without the addresses of
PDFs; the admin list needs a filter. Inferred: the names of all fields beyond `tickets`, that of the cursor, those of
the time window, and that the call for one checkout has the PDFs.
https://docs.funtrips.io/reference/adminlistuserfulfillmentorders
"""

from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
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
from willcall.simulator.script import AccountScript, NextPage, OrderScript, ProviderName

#: After the internal events on https://docs.funtrips.io/reference/confirmfulfillment
WORDS = {
    SimulatedStatus.PENDING: "PENDING",
    SimulatedStatus.PARTIAL: "CONFIRMED",
    SimulatedStatus.ISSUED: "COMPLETED",
    SimulatedStatus.FAILED: "FAILED",
    SimulatedStatus.CANCELLED: "CANCELLED",
}

DAY = 86_400
#: The time window of the admin list.
SINCE, UNTIL = "updated_since", "updated_until"


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
                cursor = request.query.get("cursor")
                return RouteMatch("status" if reference else "list", reference, key, "admin", cursor)
            case "GET", ["", "v1", "checkouts", checkout_id, "fulfillment"]:
                return RouteMatch("status", checkout_id, key, "public")
            case "GET", ["", "v1", "me", "fulfillments"]:
                return RouteMatch("status", "me", key, "public", request.query.get("cursor"))
        return RouteMatch("other", None, key)

    def user_of(self, reference: str) -> str | None:
        return _user(reference)

    def checkouts(self, order: OrderScript, secrets: Sequence[str]) -> list[str]:
        """An order that is scripted as that of a user has a checkout too."""
        return [_checkout(order, secrets)] if _user(order.reference) else []

    def shown_on(self, route: RouteMatch, snapshots: Sequence[OrderSnapshot]) -> Sequence[OrderSnapshot]:
        page = _page(snapshots, route.cursor)[0]
        return page if _user(route.reference or "") is not None else snapshots

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
            return _records(snapshots, route.cursor)
        record = _record(snapshots[0], with_files=True)
        return json_response(record if route.scope == "public" else [record] * snapshots[0].order.listed_times)

    def list_response(
        self,
        request: SimulatedRequest,
        snapshots: Sequence[OrderSnapshot],
        page_size: int | None = None,
    ) -> tuple[SimulatedResponse, Sequence[OrderSnapshot]]:
        """Return a page of the records in a time window, also those without tickets yet; 400 without a window."""
        bounds = [_epoch(request.query.get(name)) for name in (SINCE, UNTIL)]
        if bounds == [None, None]:
            return self.error_response(400), ()
        since, until = bounds
        found = [
            snapshot
            for snapshot in snapshots
            if (since is None or _changed_at(snapshot) >= since) and (until is None or _changed_at(snapshot) < until)
        ]
        cursor = request.query.get("cursor")
        return _records(found, cursor, page_size), _page(found, cursor, page_size)[0]

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


def _checkout(order: OrderScript, secrets: Sequence[str]) -> str:
    return f"chk-{secrets[0]}" if _user(order.reference) else order.reference


def _changed_at(snapshot: OrderSnapshot) -> float:
    ago = snapshot.order.issued_ago
    return snapshot.now if ago is None else snapshot.known_at - ago


def _record(snapshot: OrderSnapshot, *, with_files: bool = False) -> dict[str, Any]:
    """Return a fulfilment record; its tickets are an empty list until they are issued."""
    order, user = snapshot.order, _user(snapshot.order.reference)
    record: dict[str, Any] = {
        "fulfillment_order_id": snapshot.secrets[0],
        "checkout_id": _checkout(order, snapshot.secrets),
        "external_user_id": user or order.external_user_id,
        "status": snapshot.word or WORDS[snapshot.status],
        "last_mutation_date": timestamp(_changed_at(snapshot)),
        "tickets": [_ticket(snapshot, index, with_files=with_files) for index in range(snapshot.issued)],
    }
    if with_files and order.record_pdf and snapshot.issued:
        record |= _pdf(snapshot, 0)
    if order.record_form == "nested":
        starts = _changed_at(snapshot) + 7 * DAY
        venue = {"name": "Pier 3", "city": "Amsterdam", "country": "NL"}
        times = {"starts_at": timestamp(starts), "ends_at": timestamp(starts + DAY / 24)}
        record["event"] = {"id": "evt-9", "title": "Canal cruise", **times, "venue": venue}
        record["customer"] = {"first_name": "Ada", "email": "ada@example.com"}
    return record


def _ticket(snapshot: OrderSnapshot, index: int, *, with_files: bool) -> dict[str, Any]:
    order, ago = snapshot.order, snapshot.order.issued_ago
    begin, end = snapshot.known_at, snapshot.known_at + 30 * DAY
    if ago is not None:
        begin, end = snapshot.known_at - ago - DAY, snapshot.known_at - ago
    ticket: dict[str, Any] = {"ticket_id": snapshot.secrets[index]}
    first = snapshot.barcode(index)
    codes = [first, *(f"{first}-{number}" for number in range(1, order.codes_per_ticket))]
    if order.record_form == "nested":
        values: list[Any] = [{"format": "QR", "value": code} for code in codes]
        ticket["validity"] = {"from": timestamp(begin), "to": timestamp(end)}
    else:
        values = list(codes)
        ticket |= {"barcode_format": "QR", "valid_from": timestamp(begin), "valid_until": timestamp(end)}
    ticket |= {"barcode": values[0]} if len(values) == 1 else {"barcodes": values}
    if order.deliverable_after is not None:
        ticket["deliverable"] = snapshot.now >= snapshot.known_at + order.deliverable_after
    return ticket | (_pdf(snapshot, index) if with_files and not order.record_pdf else {})


def _pdf(snapshot: OrderSnapshot, index: int) -> dict[str, Any]:
    """Return the address of a PDF, as a field of a record or of a ticket."""
    url = snapshot.document(index)
    if snapshot.order.record_form == "flat":
        return {"pdf_url": url}
    return {"pdf": {"url": url, "expires_at": timestamp(snapshot.now + (snapshot.order.link_life or DAY))}}


def _page(
    snapshots: Sequence[OrderSnapshot], cursor: str | None, size: int | None = None
) -> tuple[Sequence[OrderSnapshot], str | None]:
    """Return the orders of one page, and the cursor of the next. An unknown cursor has an empty page."""
    size = size or (snapshots[0].order.page_size if snapshots else 1)
    newest = sorted(snapshots, key=_changed_at, reverse=True)
    start = _offset(cursor, len(newest))
    end = start + size
    return newest[start:end], urlsafe_b64encode(str(end).encode()).decode() if end < len(newest) else None


def _offset(cursor: str | None, unknown: int) -> int:
    if cursor is None:
        return 0
    try:
        return int(urlsafe_b64decode(cursor.encode()))
    except ValueError:
        return unknown


def _records(snapshots: Sequence[OrderSnapshot], cursor: str | None, size: int | None = None) -> SimulatedResponse:
    page, following = _page(snapshots, cursor, size)
    records = [_record(snapshot) for snapshot in page for _ in range(snapshot.order.listed_times)]
    form: NextPage = snapshots[0].order.next_page if snapshots else "next_cursor"
    return json_response({"items": records, **_following(form, following)})


def _following(form: NextPage, cursor: str | None) -> dict[str, Any]:
    """Return how a list names its next page."""
    address = None if cursor is None else f"?cursor={cursor}"
    match form:
        case "pagination":
            return {"pagination": {"next_cursor": cursor, "has_more": cursor is not None}}
        case "links":
            return {"links": {"next": address}}
        case "_links":
            return {"_links": {"next": {"href": address}} if address else {}}
    return {form: cursor}


def _epoch(written: str | None) -> float | None:
    try:
        time = datetime.fromisoformat(written or "")
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
