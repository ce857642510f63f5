"""The Funtrips adapter."""

import json
import re
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import (
    Cancelled,
    Issued,
    NotReady,
    Throttled,
    Unauthorized,
    Unavailable,
    outcome_name,
)
from willcall.orders.serialization import ticket_schema
from willcall.providers.base import AccessToken, OrderQuery
from willcall.providers.funtrips import ADAPTER
from willcall.providers.funtrips.credentials import FuntripsCredentials

BASE = "https://api.funtrips.example/live"
TOKENS = "https://auth.funtrips.example/oauth/token"
OAUTH = FuntripsCredentials(
    base_url=BASE, token_url=TOKENS, client_id="box office", client_secret=SecretStr("a+b/c="), scope="funtrips/x.read"
)
HEADLESS = FuntripsCredentials(base_url=BASE, public_bearer=SecretStr("public-1"))


def respond(document: Any = None, status: int = 200, **headers: str) -> Response:
    body = b"" if document is None else json.dumps(document).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, received_at=0.0)


def record(checkout: str = "c1", **fields: Any) -> dict[str, Any]:
    return {"checkout_id": checkout, "status": "COMPLETED", "tickets": [{"barcode": "1"}], **fields}


# Credentials


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "needs token_url, client_id, client_secret, or public_bearer instead"),
        ({"client_id": "a"}, "needs token_url, client_secret as well as client_id"),
        ({"token_url": TOKENS, "client_id": "a"}, "needs client_secret as well as token_url, client_id"),
        ({"public_bearer": "b", "client_id": "a"}, "public_bearer cannot be combined with client_id"),
        ({"public_bearer": "b", "scope": "a"}, "public_bearer cannot be combined with scope"),
        ({"public_bearer": "b", "since_parameter": "from"}, "public_bearer cannot be combined with since_parameter"),
        ({"public_bearer": "b", "token_auth": "body"}, "public_bearer cannot be combined with token_auth"),
        ({"scope": "a"}, "needs token_url, client_id, client_secret, or public_bearer instead"),
    ],
)
def test_credentials_are_of_exactly_one_kind(fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FuntripsCredentials.model_validate({"base_url": BASE, **fields})


def test_the_address_has_no_default() -> None:
    with pytest.raises(ValidationError, match="base_url"):
        FuntripsCredentials.model_validate({"public_bearer": "b"})


# Requests


@pytest.mark.parametrize(
    ("reference", "params"),
    [
        ("chk_1", {"checkout_id": "chk_1"}),
        ("user:a/b c@d.example", {"external_user_id": "a/b c@d.example"}),
        ("user:user:1", {"external_user_id": "user:1"}),
    ],
)
def test_a_backend_client_filters_the_admin_list(reference: str, params: dict[str, str]) -> None:
    ADAPTER.check_reference(reference, OAUTH)
    request = ADAPTER.status_request(OrderQuery(reference), OAUTH, "backend-1")
    assert (request.method, request.url) == ("GET", f"{BASE}/v1/admin/fulfillments")
    assert request.params == params
    assert request.headers == {"Authorization": "Bearer backend-1"}


@pytest.mark.parametrize(
    ("reference", "path"), [("chk:1", "/v1/checkouts/chk%3A1/fulfillment"), ("me", "/v1/me/fulfillments")]
)
def test_a_public_bearer_reads_its_own_orders(reference: str, path: str) -> None:
    ADAPTER.check_reference(reference, HEADLESS)
    request = ADAPTER.status_request(OrderQuery(reference), HEADLESS, None)
    assert (request.method, request.url, request.params) == ("GET", BASE + path, {})
    assert request.headers == {"Authorization": "Bearer public-1"}


@pytest.mark.parametrize(
    ("reference", "credentials", "message"),
    [
        ("user:7", HEADLESS, "needs OAuth credentials"),
        ("me", OAUTH, "needs a public_bearer"),
        ("", OAUTH, "checkout_id must not be empty"),
        ("user:", OAUTH, "external_user_id must be 1 to 255 printable characters"),
        ("user: ", OAUTH, "external_user_id must be"),
        ("user:a\nb", OAUTH, "external_user_id must be"),
        ("user:" + "x" * 256, OAUTH, "external_user_id must be"),
        ("a/b", HEADLESS, "checkout_id must be one path segment"),
    ],
)
def test_an_invalid_reference_is_rejected(reference: str, credentials: FuntripsCredentials, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ADAPTER.check_reference(reference, credentials)


# Tokens


def basic(request: Request) -> bytes:
    scheme, _, pair = request.headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    return b64decode(pair)


def test_a_token_is_requested_with_client_credentials_in_every_dialect() -> None:
    requests = ADAPTER.oauth.token_requests(OAUTH)
    assert list(requests) == ["basic", "basic_raw", "body"]
    assert {(request.method, request.url) for request in requests.values()} == {("POST", TOKENS)}
    form = {"grant_type": "client_credentials", "scope": "funtrips/x.read"}
    assert basic(requests["basic"]) == b"box+office:a%2Bb%2Fc%3D"
    assert basic(requests["basic_raw"]) == b"box office:a+b/c="
    assert requests["basic"].form == requests["basic_raw"].form == form
    assert "Authorization" not in requests["body"].headers
    assert requests["body"].form == {**form, "client_id": "box office", "client_secret": "a+b/c="}
    assert "a+b/c=" not in repr(requests)


@pytest.mark.parametrize("dialect", ["basic", "basic_raw", "body"])
def test_a_dialect_that_is_set_is_the_only_one(dialect: str) -> None:
    assert list(ADAPTER.oauth.token_requests(OAUTH.model_copy(update={"token_auth": dialect}))) == [dialect]


def test_two_equal_dialects_are_tried_once() -> None:
    plain = OAUTH.model_copy(update={"client_id": "box", "client_secret": SecretStr("abc")})
    assert list(ADAPTER.oauth.token_requests(plain)) == ["basic", "body"]


def test_a_public_bearer_needs_no_token() -> None:
    assert ADAPTER.oauth.token_requests(HEADLESS) == {}


def test_an_empty_scope_is_not_sent() -> None:
    for request in ADAPTER.oauth.token_requests(OAUTH.model_copy(update={"scope": ""})).values():
        assert request.form is not None
        assert "scope" not in request.form


@pytest.mark.parametrize(
    ("life", "seconds"),
    [
        *((3600, 3600), ("3600", 3600), (3599.5, 3599.5), (" 3600.0 ", 3600), (10**12, 86_400), ("1e999", 86_400)),
        *((None, 300), (0, 300), (-5, 300), ("soon", 300), ([1], 300), (True, 300), ("nan", 300)),
    ],
)
def test_a_token_is_used_for_its_lifetime(life: Any, seconds: float) -> None:
    token = ADAPTER.oauth.read_token(respond({"access_token": "t", "token_type": "Bearer", "expires_in": life}))
    assert token == AccessToken("t", expires_in=seconds)


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER", "BearerToken", None])
@pytest.mark.parametrize("status", [200, 201, 202, 203])
def test_any_success_with_a_token_is_a_token(status: int, kind: str | None) -> None:
    token = ADAPTER.oauth.read_token(respond({"access_token": "t", "token_type": kind}, status))
    assert token == AccessToken("t", expires_in=300)


@pytest.mark.parametrize("value", [None, "", "two words", "line\n\nbreak", "caf\u00e9", {"a": 1}])
def test_a_token_that_cannot_be_sent_is_an_outage(value: Any) -> None:
    assert isinstance(ADAPTER.oauth.read_token(respond({"access_token": value})), Unavailable)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_rejected_client_concerns_the_whole_account(status: int) -> None:
    outcome = ADAPTER.oauth.read_token(respond({"error": "invalid_client"}, status))
    assert isinstance(outcome, Unauthorized)
    assert outcome.whole_account


@pytest.mark.parametrize("status", [200, 204, 302, 404, 405, 410, 418, 500, 502, 503])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{", b'{"status": "ok"}', b"\xff\xfe\x00"])
def test_a_response_without_a_token_is_an_outage_of_the_endpoint(status: int, body: bytes) -> None:
    outcome = ADAPTER.oauth.read_token(Response(status, {"retry-after": "9"}, body, received_at=0.0))
    assert isinstance(outcome, Unavailable)
    assert (outcome.retry_after, outcome.request_sent) == (9.0, False)
    assert "token endpoint" in (outcome.detail or "")


def test_an_error_of_the_token_endpoint_does_not_concern_the_order() -> None:
    throttled = ADAPTER.oauth.read_token(respond(None, 429, retry_after="9"))
    assert throttled == Throttled(retry_after=9.0, detail="HTTP 429")
    assert isinstance(ADAPTER.oauth.read_token(respond({"error": "temporarily_unavailable"}, 400)), Unavailable)
    page = Response(403, {"server": "cloudflare"}, b"<html>", received_at=0.0)
    assert isinstance(ADAPTER.oauth.read_token(page), Throttled)


# Records


@pytest.mark.parametrize("word", ["PENDING", "CONFIRMED", "COMPLETED", "TELEPORTED", None])
def test_a_200_with_tickets_is_issued_whatever_the_status_word(word: str | None) -> None:
    outcome = ADAPTER.read_status(OrderQuery("c1"), respond([record(status=word)]))
    assert isinstance(outcome, Issued)
    assert outcome.provider_status == word


def test_a_failed_record_never_makes_an_order_issued() -> None:
    for reference in ("c1", "user:7"):
        outcome = ADAPTER.read_status(OrderQuery(reference), respond([record(status="FAILED")]))
        assert not isinstance(outcome, Issued)


def test_other_fields_are_stored_in_extra() -> None:
    ticket = {"barcode": "1", "seat": {"label": "A1"}, "notes": "x" * 9_000, "type": "Adult"}
    outcome = ADAPTER.read_status(OrderQuery("c1"), respond(record(tickets=[ticket], venue="Hall")))
    assert isinstance(outcome, Issued)
    assert outcome.tickets[0].seat_label == "A1"
    assert outcome.tickets[0].extra == {
        "notes": "x" * 9_000,
        "type": "Adult",
        "fulfillment": {"checkout_id": "c1", "status": "COMPLETED", "venue": "Hall"},
    }


@pytest.mark.parametrize(("quantity", "name"), [(None, "issued"), (0, "issued"), (1, "issued"), (2, "partly_issued")])
def test_a_users_list_is_counted(quantity: int | None, name: str) -> None:
    outcome = ADAPTER.read_status(OrderQuery("user:7", quantity), respond({"items": [record()]}))
    assert outcome_name(outcome) == name


@pytest.mark.parametrize(
    ("created", "name"),
    [
        ("2025-02-03T10:00:00Z", "not_ready"),
        ("2025-02-03", "not_ready"),
        (1738576800, "not_ready"),
        ("1738576800000", "not_ready"),
        ("Mon, 03 Feb 2025 10:00:00 GMT", "not_ready"),
        ("2026-03-03T10:00:00+0100", "issued"),
        ("2026-03-02T20:00:00Z", "issued"),
        ("next week", "issued"),
        (None, "issued"),
    ],
)
@pytest.mark.parametrize("field", ["created_at", "createdAt", "purchase_date"])
def test_a_purchase_made_before_the_order_was_bought_does_not_count(created: object, name: str, field: str) -> None:
    bought_at = datetime(2026, 3, 3, 12, tzinfo=UTC).timestamp()
    listed = respond({"items": [record(**{field: created})]})
    assert outcome_name(ADAPTER.read_status(OrderQuery("user:7", 1, bought_at=bought_at), listed)) == name


def test_the_dates_of_event_and_barcode_are_not_the_purchase_date() -> None:
    old = {"created_at": "2020-01-01T00:00:00Z"}
    listed = respond({"items": [record(event=old, tickets=[{"barcode": "1", **old}])]})
    assert outcome_name(ADAPTER.read_status(OrderQuery("user:7", 1, bought_at=1_772_000_000.0), listed)) == "issued"


def test_a_checkout_is_not_counted() -> None:
    assert isinstance(ADAPTER.read_status(OrderQuery("c1", quantity=5), respond(record())), Issued)


# The list


def test_a_backend_lists_a_time_window_only() -> None:
    assert ADAPTER.listing.list_request(OAUTH, "backend-1", 0.0) is None
    assert ADAPTER.listing.list_request(HEADLESS, None, 0.0) is None
    since = OAUTH.model_copy(update={"since_parameter": "updated_since"})
    request = ADAPTER.listing.list_request(since, "backend-1", 0.0)
    assert request is not None
    assert request.url == f"{BASE}/v1/admin/fulfillments"
    assert request.params == {"updated_since": "1970-01-01T00:00:00Z"}
    assert request.headers == {"Authorization": "Bearer backend-1"}
    both = since.model_copy(update={"until_parameter": "updated_until"})
    request = ADAPTER.listing.list_request(both, "backend-1", 0.0)
    assert request is not None
    assert request.params == {"updated_since": "1970-01-01T00:00:00Z", "updated_until": "1970-01-03T00:00:00Z"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"until_parameter": "to"}, "until_parameter needs since_parameter"),
        ({"since_parameter": "at", "until_parameter": "at"}, "must be different"),
        ({"since_parameter": "checkout_id"}, "name of another filter"),
        ({"since_parameter": "a&b"}, "name of a query parameter"),
    ],
)
def test_the_parameters_of_the_time_window_are_checked(fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FuntripsCredentials.model_validate(
            {"base_url": BASE, "token_url": TOKENS, "client_id": "a", "client_secret": "b", **fields}
        )


def test_the_list_has_the_outcome_of_each_checkout() -> None:
    records = [
        record("c1"),
        record("c2", status="CANCELLED"),
        record("c3", status="PENDING", tickets=[]),
        record("c2", status="COMPLETED", tickets=[{"barcode": "2"}]),
        record("c4", status="CANCELLED"),
        {"status": "COMPLETED", "tickets": []},
    ]
    listed = ADAPTER.listing.read_list(respond({"items": records}))
    assert {one.reference: type(one.outcome) for one in listed} == {
        "c1": Issued,
        "c2": Issued,
        "c3": NotReady,
        "c4": Cancelled,
    }


def test_the_list_is_followed_page_by_page_within_its_window() -> None:
    first = Request("GET", f"{BASE}/v1/admin/fulfillments", {"updated_since": "2026-11-22T11:00:00Z"})
    following = ADAPTER.listing.next_page(first, respond({"items": [record()], "next_cursor": "p2"}))
    assert following is not None
    assert following.params == {"updated_since": "2026-11-22T11:00:00Z", "cursor": "p2"}
    linked = ADAPTER.listing.next_page(first, respond({"items": [], "_links": {"next": {"href": "?cursor=p2"}}}))
    assert linked is not None
    assert (linked.url, linked.params) == (f"{first.url}?cursor=p2", first.params)
    assert ADAPTER.listing.next_page(first, respond({"items": [record()], "next_cursor": None})) is None
    assert ADAPTER.listing.next_page(first, respond("x")) is None


def test_the_list_is_bounded() -> None:
    records = [record(f"c{number}") for number in range(1_200)]
    assert len(ADAPTER.listing.read_list(respond(records))) == 1_000


@pytest.mark.parametrize(("document", "status"), [([record()], 500), ([record()], 202), ("x", 200), ([1], 200)])
def test_a_list_that_cannot_be_read_lists_nothing(document: Any, status: int) -> None:
    assert ADAPTER.listing.read_list(respond(document, status)) == []


def test_the_example_in_the_docs_is_true() -> None:
    page = Path(__file__).parents[4] / "docs" / "providers" / "funtrips.md"
    shown, expected = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page.read_text(), re.DOTALL))
    outcome = ADAPTER.read_status(OrderQuery("chk_8f2a"), respond(shown))
    assert isinstance(outcome, Issued)
    [ticket] = outcome.tickets
    assert without_nulls(ticket_schema(ticket).to_json()) == expected


def without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    return {
        name: without_nulls(value) if isinstance(value, dict) else value
        for name, value in document.items()
        if value is not None
    }


def test_polling_follows_the_guide() -> None:
    polling = ADAPTER.defaults.polling
    waits = [min(polling.cap, polling.initial * polling.factor**number) for number in range(6)]
    assert [round(wait) for wait in waits] == [3, 5, 8, 12, 20, 30]
