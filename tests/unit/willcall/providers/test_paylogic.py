"""The Paylogic adapter."""

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from tests.unit.willcall.providers.odd_json import JSON
from willcall.http.messages import Response
from willcall.orders.outcomes import Cancelled, Declined, Issued, NotReady, PartlyIssued
from willcall.providers.base import OrderQuery
from willcall.providers.paylogic import ADAPTER
from willcall.providers.paylogic.adapter import PaylogicCredentials

API = "https://shopping-api.paylogic.com"
UID = "90842034646f49c99882eb99a13fa2e9"
EVENT = "5b3e9744999d4d0ca56b4c5ca1f4dc49"
CODE = f"code:8663092874786@{EVENT}"
BASIC = PaylogicCredentials(username="app", password=SecretStr("sé:cret"))
USER = PaylogicCredentials(cognito_token=SecretStr("cognito-1"))
JWT = PaylogicCredentials(bearer=SecretStr("jwt-1"))
REFERENCES = [UID, f"ticket:{UID}", CODE, "mine"]

HREF = st.fixed_dictionaries({"href": st.just("https://download.paylogic.nl/1") | JSON})
LINK = HREF | st.lists(HREF, max_size=2) | JSON
DATES = st.sampled_from(["2020-11-03T08:00:00Z", "2099-01-01T00:00:00", "0001-01-01T00:00:00+14:00"]) | JSON
RELATIONS = ["self", "shop:eticket", "shop:etickets", "shop:tickets", "apple_wallet_pass"]
TICKETS = st.fixed_dictionaries(
    {},
    optional={
        "_links": st.dictionaries(st.sampled_from(RELATIONS), LINK) | JSON,
        "uid": st.just(UID) | JSON,
        "status": st.sampled_from(["valid", "cancelled", "Canceled", "blocked"]) | JSON,
        "needs_personalization": JSON,
        "personalization_end": DATES,
        "fulfillment_starts_at": DATES,
        "scannable_until": DATES,
        "service_fee_paid": JSON,
        "seating": JSON,
        "code": JSON,
    },
)
PRODUCTS = st.lists(st.fixed_dictionaries({"quantity": st.integers(-1, 3) | JSON}), max_size=2)
EMBEDDED = st.fixed_dictionaries({}, optional={"shop:ticket": st.lists(TICKETS, max_size=3) | TICKETS | JSON})
BODIES = st.builds(
    lambda ticket, embedded, products: {**ticket, "_embedded": embedded, "product_selection": products},
    TICKETS,
    EMBEDDED | JSON,
    PRODUCTS | JSON,
)


def ticket(*, status: str = "valid", **links: str) -> dict[str, Any]:
    hrefs = {name.replace("_", ":", 1): {"href": href} for name, href in links.items()}
    return {"uid": UID, "status": status, "_links": hrefs}


def respond(body: Any, status: int = 200) -> Response:
    return Response(status, {}, json.dumps(body).encode(), 1_795_341_600.0)


def read(reference: str, body: Any, quantity: int | None = None) -> Any:
    return ADAPTER.read_status(OrderQuery(reference, quantity), respond(body))


@pytest.mark.parametrize(
    ("reference", "url", "params"),
    [
        (UID, f"{API}/orders/{UID}", {}),
        (f"ticket:{UID}", f"{API}/tickets/{UID}", {}),
        (CODE, f"{API}/tickets", {"code": "8663092874786", "event": f"{API}/events/{EVENT}"}),
        ("code:a@b&c@ev", f"{API}/tickets", {"code": "a@b&c", "event": f"{API}/events/ev"}),
        ("a?b", f"{API}/orders/a%3Fb", {}),
    ],
)
def test_an_application_requests_each_kind_of_ticket(reference: str, url: str, params: dict[str, str]) -> None:
    ADAPTER.check_reference(reference, BASIC)
    request = ADAPTER.status_request(OrderQuery(reference), BASIC, None)
    assert (request.method, request.url, dict(request.params)) == ("GET", url, params)
    scheme, _, encoded = request.headers["Authorization"].partition(" ")
    assert (scheme, b64decode(encoded).decode()) == ("Basic", "app:sé:cret")
    assert "Cognito-Token" not in request.headers


@pytest.mark.parametrize(("reference", "path"), [("mine", "/tickets"), (f"ticket:{UID}", f"/tickets/{UID}")])
def test_a_user_requests_their_own_tickets(reference: str, path: str) -> None:
    ADAPTER.check_reference(reference, USER)
    request = ADAPTER.status_request(OrderQuery(reference), USER, None)
    assert (request.url, dict(request.params)) == (API + path, {})
    assert request.headers["Cognito-Token"] == "cognito-1"
    assert "Authorization" not in request.headers


def test_an_application_with_a_json_web_token_sends_it_as_bearer() -> None:
    ADAPTER.check_reference(UID, JWT)
    request = ADAPTER.status_request(OrderQuery(UID), JWT, None)
    assert request.headers["Authorization"] == "Bearer jwt-1"
    assert ADAPTER.listing.list_request(JWT, None, 1_795_341_600.0) is None


def test_barcode_events_have_the_base_url_of_the_tickets() -> None:
    account = PaylogicCredentials(base_url="http://127.0.0.1:9", username="app", password=SecretStr("x"))
    request = ADAPTER.status_request(OrderQuery(CODE), account, None)
    assert request.params["event"] == f"http://127.0.0.1:9/events/{EVENT}"


@pytest.mark.parametrize(
    ("reference", "account", "message"),
    [
        ("mine", BASIC, "mine needs a cognito_token"),
        ("mine", JWT, "mine needs a cognito_token"),
        (CODE, JWT, "need an account with username and password"),
        (CODE, USER, "need an account with username and password"),
        ("order:90842034", BASIC, "must be an order uid, ticket:<uid>, "),
        ("ticket:", BASIC, "ticket uid must not be empty"),
        ("ticket:90842034/../x", BASIC, "ticket uid must be one path segment"),
        ("90842034 ", BASIC, "order uid must be one path segment"),
        ("", BASIC, "order uid must not be empty"),
        ("code:90842034", BASIC, "must be code:<barcode>@<event uid>"),
        ("code:90842034@", BASIC, "event uid must not be empty"),
        ("code:90842034\n@event", BASIC, "must be code:<barcode>@<event uid>"),
    ],
)
def test_an_invalid_reference_is_rejected_without_quoting_it(
    reference: str, account: PaylogicCredentials, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        ADAPTER.check_reference(reference, account)
    assert "90842034" not in str(refused.value)


@pytest.mark.parametrize(
    ("given_keys", "message"),
    [
        ({}, "give username and password, or cognito_token"),
        ({"username": "app"}, "give username and password, or cognito_token"),
        ({"password": "hidden"}, "give username and password, or cognito_token"),
        ({"username": "app", "password": ""}, "must not be empty"),
        ({"username": "app", "password": "hidden", "cognito_token": "hidden"}, "give only one"),
        ({"username": "app", "cognito_token": "hidden"}, "give only one"),
        ({"username": "a:b", "password": "hidden"}, "no colon"),
        ({"cognito_token": "hidden\n"}, "ends with a line break"),
        ({"bearer": "hidden\n"}, "ends with a line break"),
        ({"bearer": "hidden", "cognito_token": "hidden"}, "not both|only one"),
        ({"bearer": "hidden", "username": "app", "password": "hidden"}, "not both|only one"),
        ({"username": "app", "password": "hidden", "api_key": "hidden"}, "api_key"),
    ],
)
def test_an_account_has_exactly_one_kind_of_credentials(given_keys: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        PaylogicCredentials.model_validate(given_keys)
    assert "hidden" not in str(refused.value)


def test_no_secret_is_shown() -> None:
    requests = [
        ADAPTER.status_request(OrderQuery(UID), BASIC, None),
        ADAPTER.status_request(OrderQuery("mine"), USER, None),
    ]
    shown = f"{BASIC!r} {USER!r} {BASIC} {USER} {requests!r} {BASIC.model_dump()} {USER.model_dump()}"
    for secret in ("sé:cret", "cognito-1", "Basic"):
        assert secret not in shown


def test_a_wallet_pass_is_the_same_admission() -> None:
    one = ticket(shop_eticket="https://d.example/1", shop_apple_wallet_pass="https://d.example/a")
    order = {"uid": UID, "product_selection": [{"quantity": 2}], "_embedded": {"shop:ticket": [one]}}
    outcome = read(UID, order)
    assert isinstance(outcome, PartlyIssued)
    assert len(outcome.tickets) == 2
    assert outcome.expected == 2


def test_orders_created_since_are_listed_for_an_application_only() -> None:
    request = ADAPTER.listing.list_request(BASIC, None, 1_795_341_600.0)
    assert request is not None
    assert (request.url, dict(request.params)) == (API + "/orders", {"created__gte": "2026-11-22T10:00:00Z"})
    assert "Authorization" in request.headers
    assert ADAPTER.listing.list_request(USER, None, 1_795_341_600.0) is None


def test_a_list_of_orders_is_read_like_each_order() -> None:
    issued = ticket(shop_eticket="https://d.example/1")
    orders = [
        {"uid": "a", "product_selection": [{"quantity": 1}], "_embedded": {"shop:ticket": [issued]}},
        {"uid": "b", "status": "cancelled"},
        {"status": "cancelled"},
        {"uid": "c", "status": "new word"},
    ]
    listed = ADAPTER.listing.read_list(respond({"_embedded": {"shop:order": orders}}))
    assert [(entry.reference, type(entry.outcome)) for entry in listed] == [
        ("a", Issued),
        ("b", Cancelled),
        ("c", NotReady),
    ]


@pytest.mark.parametrize("status", [401, 404, 503])
def test_an_error_response_lists_nothing(status: int) -> None:
    assert ADAPTER.listing.read_list(respond({"_embedded": {"shop:order": [{"uid": "a"}]}}, status)) == []


@given(st.sampled_from(REFERENCES), BODIES | EMBEDDED.map(lambda embedded: {"_embedded": embedded}) | JSON)
def test_issued_has_tickets_and_unknown_words_are_not_final(reference: str, body: Any) -> None:
    outcome = read(reference, body)
    assert not isinstance(outcome, Declined)
    if isinstance(outcome, Issued | PartlyIssued):
        assert outcome.tickets
        json.dumps([ticket.extra for ticket in outcome.tickets], allow_nan=False)
    if isinstance(outcome, Cancelled):
        assert "cancel" in json.dumps(body).lower()
        assert reference != "mine"


@given(st.sampled_from(["blocked", "transferred", "refunded", ""]), st.sampled_from(REFERENCES))
def test_a_ticket_with_an_unknown_status_never_counts(word: str, reference: str) -> None:
    odd = ticket(status=word or "?", shop_eticket="https://d.example/1", self="https://d.example/2")
    outcome = read(reference, {**odd, "_embedded": {"shop:ticket": [odd]}})
    if reference == UID:
        assert outcome.provider_status == (word or "?")
    assert isinstance(outcome, NotReady)


@given(st.sampled_from(REFERENCES), st.binary(), st.integers(100, 599))
def test_no_response_raises(reference: str, body: bytes, status: int) -> None:
    ADAPTER.read_status(OrderQuery(reference), Response(status, {}, body, 0.0))
    ADAPTER.listing.read_list(Response(status, {}, body, 0.0))


@given(EMBEDDED | st.fixed_dictionaries({"shop:order": st.lists(BODIES, max_size=3) | JSON}))
def test_no_list_raises(embedded: Any) -> None:
    ADAPTER.listing.read_list(respond({"_embedded": embedded}))


@given(st.sampled_from([UID, f"ticket:{UID}", CODE]), BODIES)
def test_neither_reference_nor_barcode_is_in_a_detail(reference: str, body: Any) -> None:
    outcome = read(reference, {**body, "code": "8663092874786", "uid": UID})
    said = f"{outcome.detail} {getattr(outcome, 'reason', '')}"
    assert "8663092874786" not in said
    assert UID not in said


@given(st.sampled_from(["pending", "completed", "paid", "", "valid", "processing"]), st.none() | st.integers(1, 3))
def test_a_download_link_alone_issues_nothing(word: str, quantity: int | None) -> None:
    order = {"uid": UID, "status": word, "_links": {"shop:etickets": {"href": "https://d.example/1"}}}
    assert isinstance(read(UID, order, quantity), NotReady)


def test_tickets_have_the_fields_of_their_order_but_not_who_bought_it() -> None:
    order = {
        "uid": UID,
        "status": "completed",
        "reference": "525743",
        "grand_total": {"amount": "20.90"},
        "consumer": {"first_name": "Blaise"},
        "_embedded": {"shop:ticket": [ticket(shop_eticket="https://d.example/1")]},
    }
    outcome = read(UID, order, 1)
    assert isinstance(outcome, Issued)
    assert outcome.tickets[0].extra["order"] == {"reference": "525743", "grand_total": {"amount": "20.90"}}
    assert "Blaise" not in repr(outcome)


def test_a_void_ticket_is_stored_and_does_not_count() -> None:
    void = {**ticket(status="transferred"), "uid": "1" * 32, "code": "A"}
    good = {**ticket(shop_eticket="https://d.example/2"), "uid": "2" * 32, "code": "B"}
    outcome = read(UID, {"uid": UID, "_embedded": {"shop:ticket": [void, good]}}, 2)
    assert isinstance(outcome, Issued)
    assert [(one.code, one.status.value, one.url) for one in outcome.tickets] == [
        ("A", "void", None),
        ("B", "valid", "https://d.example/2"),
    ]


def test_a_scanned_ticket_is_used() -> None:
    outcome = read(f"ticket:{UID}", {**ticket(shop_eticket="https://d.example/1"), "is_scanned": True})
    assert [one.status.value for one in outcome.tickets] == ["used"]


def test_an_order_whose_tickets_are_all_void_waits_and_shows_them() -> None:
    void = {**ticket(status="invalidated"), "code": "A"}
    outcome = read(UID, {"uid": UID, "_embedded": {"shop:ticket": [void]}}, 1)
    assert isinstance(outcome, NotReady)
    assert [one.code for one in outcome.void] == ["A"]
    assert "void" in (outcome.detail or "")


@pytest.mark.parametrize("relation", ["shop:ticket", "shop:tickets"])
@pytest.mark.parametrize("href", [{"href": "https://download.paylogic.nl/1"}, "https://download.paylogic.nl/1"])
@pytest.mark.parametrize("several", [list, lambda found: dict(enumerate(found)), lambda found: found[0]])
def test_tickets_and_links_are_read_in_each_form(relation: str, href: Any, several: Any) -> None:
    ticket = {"uid": "t1", "code": "1", "status": "valid", "_links": {"shop:eticket": several([href])}}
    order = {"uid": UID, "product_selection": [{"quantity": 1}], "_embedded": {relation: several([ticket])}}
    outcome = read(UID, order)
    assert isinstance(outcome, Issued)
    assert outcome.tickets[0].url == "https://download.paylogic.nl/1"


def test_an_order_needs_what_its_tickets_need_together() -> None:
    late = {**ticket(), "uid": "1" * 32, "needs_personalization": True, "personalization_end": "2099-05-01T00:00:00Z"}
    late["_links"] = {"shop:personalization_request": [{"href": f"{API}/personalization-requests/1"}]}
    soon = {**ticket(), "uid": "2" * 32, "needs_personalization": True, "personalization_end": "2099-04-01T00:00:00Z"}
    soon["personalization_form"] = {"email": {"required": True}}
    undated = {**ticket(), "uid": "3" * 32, "needs_personalization": True, "personalization_end": None}
    issued = {**ticket(shop_eticket="https://d.example/1"), "uid": "4" * 32}
    order = {"uid": UID, "_embedded": {"shop:ticket": [undated, late, issued, soon]}}
    needs = read(UID, order).needs
    assert needs.until == 4_078_684_800.0  # 2099-04-01
    assert needs.form == {"email": {"required": True}}
    assert needs.url == f"{API}/personalization-requests/1"


@pytest.mark.parametrize(
    ("start", "end", "detail"),
    [
        ("2026-12-01T00:00:00Z", "2026-12-24T00:00:00Z", "can be personalised from 2026-12-01"),
        ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", "ended at 2026-11-01"),
    ],
)
def test_the_time_to_personalise_is_said_before_it_begins_and_after_it_ended(start: str, end: str, detail: str) -> None:
    dates = {"needs_personalization": True, "personalization_start": start, "personalization_end": end}
    assert detail in read(f"ticket:{UID}", {**ticket(), **dates}).needs.detail


def test_a_link_template_is_not_followed() -> None:
    links = {"shop:tickets": {"href": f"{API}/tickets{{?event,code}}", "templated": True}}
    outcome = read(UID, {"uid": UID, "_links": links})
    assert outcome.detail == "no tickets yet"


def test_a_pass_without_an_e_ticket_has_all_fields_of_its_ticket() -> None:
    whole = {
        **ticket(apple_wallet_pass="https://d.example/a"),
        "price": {"amount": "10.00", "currency": "EUR"},
        "subproduct": {"en": "North"},
        "consumer": {"first_name": "Blaise", "phone_number": ""},
    }
    whole["_links"] = {"apple_wallet_pass": {"href": "https://d.example/a"}}
    (one,) = read(f"ticket:{UID}", whole).tickets
    assert (one.kind.value, one.wallet, one.entrance, one.price.amount) == ("wallet", "apple", "North", "10.00")
    assert one.holder == {"first_name": "Blaise"}
    assert "Blaise" not in json.dumps(dict(one.extra))
