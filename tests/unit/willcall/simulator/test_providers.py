"""Each provider's responses, status by status."""

import base64
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.unit.willcall.simulator.conftest import NOON, TIMEOUT, Start

ADMIN = "/funtrips/v1/admin/fulfillments"
PUBLIC = {"Authorization": "Bearer funtrips-default-public"}
COGNITO = {"Cognito-Token": "paylogic-default-cognito"}


def test_funtrips_says_202_and_then_200_with_tickets(start: Start) -> None:
    sim = start({"provider": "funtrips", "ready_after": 5, "quantity": 2})
    bearer = sim.bearer()
    waiting = sim.get(f"{ADMIN}?checkout_id=1", headers=bearer)
    assert (waiting.status_code, waiting.headers["Retry-After"]) == (202, "5")
    assert waiting.headers["Cache-Control"] == "no-store"
    sim.clock.now += 5
    [record] = sim.get(f"{ADMIN}?checkout_id=1", headers=bearer).json()
    assert record["checkout_id"] == "1"
    assert len({ticket["barcode"] for ticket in record["tickets"]}) == 2
    assert record["tickets"][0]["valid_from"] == "2027-01-15T08:00:00Z"
    pdf = requests.get(record["tickets"][0]["pdf_url"], timeout=TIMEOUT)
    assert pdf.headers["Content-Type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF-")


def test_a_funtrips_202_can_come_without_a_hint(start: Start) -> None:
    sim = start({"provider": "funtrips", "ready_after": 5, "pending_hint": {"retry_after": None}})
    assert "Retry-After" not in sim.get(f"{ADMIN}?checkout_id=1", headers=sim.bearer()).headers


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_funtrips_record_says_how_it_ended(start: Start, end: str) -> None:
    sim = start({"provider": "funtrips", "ends": end})
    [record] = sim.get(f"{ADMIN}?checkout_id=1", headers=sim.bearer()).json()
    assert (record["status"], record["tickets"]) == (end.upper(), [])


def test_a_funtrips_user_has_the_records_of_all_their_checkouts(start: Start) -> None:
    user = {"provider": "funtrips", "external_user_id": "fan"}
    sim = start(user, user | {"reference": "2", "ready_after": 5}, {"provider": "funtrips", "reference": "3"})
    bearer = sim.bearer()
    items = sim.get(f"{ADMIN}?external_user_id=fan", headers=bearer).json()["items"]
    assert [len(record["tickets"]) for record in items] == [1, 0]
    sim.clock.now += 5
    items = sim.get(f"{ADMIN}?external_user_id=fan", headers=bearer).json()["items"]
    assert [len(record["tickets"]) for record in items] == [1, 1]
    assert sim.client.verdict()["providers"]["funtrips"]["unreported"] == ["3"]
    assert sim.get(f"{ADMIN}?external_user_id=nobody", headers=bearer).status_code == 404


def test_a_funtrips_user_can_be_scripted_as_one_order(start: Start) -> None:
    sim = start({"provider": "funtrips", "reference": "user:fan", "quantity": 2})
    [record] = sim.get(f"{ADMIN}?external_user_id=fan", headers=sim.bearer()).json()["items"]
    assert (record["external_user_id"], len(record["tickets"])) == ("fan", 2)


def test_a_headless_client_sees_its_checkout_and_its_own_list(start: Start) -> None:
    sim = start({"provider": "funtrips"}, {"provider": "funtrips", "reference": "me"})
    record = sim.get("/funtrips/v1/checkouts/1/fulfillment", headers=PUBLIC).json()
    assert len(record["tickets"]) == 1
    assert len(sim.get("/funtrips/v1/me/fulfillments", headers=PUBLIC).json()["items"]) == 1
    assert sim.get(f"{ADMIN}?checkout_id=1", headers=PUBLIC).status_code == 403


def test_the_funtrips_list_reports_late_cancellations(start: Start) -> None:
    sim = start({"provider": "funtrips", "cancel_after": 8}, {"provider": "funtrips", "reference": "2"})
    bearer = sim.bearer()
    sim.clock.now += 8
    items = sim.get(f"{ADMIN}?updated_since=2020-01-01T00:00:00Z", headers=bearer).json()["items"]
    assert [record["status"] for record in items] == ["CANCELLED", "COMPLETED"]
    assert sim.client.verdict()["providers"]["funtrips"]["unreported"] == []


def test_the_funtrips_list_needs_a_time_window(start: Start) -> None:
    sim = start({"provider": "funtrips"}, {"provider": "funtrips", "reference": "2", "issued_ago": 7_200})
    bearer = sim.bearer()
    assert sim.get(ADMIN, headers=bearer).status_code == 400
    for window, checkouts in (
        ("updated_since=2027-01-15T07:00:00Z", ["1"]),
        ("updated_until=2027-01-15T07:00:00Z", ["2"]),
        ("updated_since=2026-01-01T00:00:00Z&updated_until=2028-01-01T00:00:00Z", ["1", "2"]),
    ):
        items = sim.get(f"{ADMIN}?{window}", headers=bearer).json()["items"]
        assert [record["checkout_id"] for record in items] == checkouts


@pytest.mark.parametrize("form", ["next_cursor", "cursor", "next", "pagination", "links", "_links"])
def test_a_funtrips_list_has_pages_without_files(start: Start, form: str) -> None:
    orders = [
        {"provider": "funtrips", "reference": str(n), "external_user_id": "fan", "page_size": 2, "next_page": form}
        for n in range(5)
    ]
    sim = start(*orders)
    bearer, cursor, found = sim.bearer(), "", []
    while True:
        body = sim.get(f"{ADMIN}?external_user_id=fan{cursor}", headers=bearer).json()
        found += [record["checkout_id"] for record in body["items"]]
        assert not any("pdf_url" in ticket for record in body["items"] for ticket in record["tickets"])
        assert len(body["items"]) <= 2
        following = {
            "pagination": lambda body=body: body["pagination"]["next_cursor"],
            "links": lambda body=body: body["links"]["next"],
            "_links": lambda body=body: body["_links"].get("next", {}).get("href"),
        }.get(form, lambda body=body: body[form])()
        if following is None:
            break
        cursor = f"&cursor={following.removeprefix('?cursor=')}"
    assert found == ["0", "1", "2", "3", "4"]
    assert sim.client.verdict()["providers"]["funtrips"]["unreported"] == []


def test_an_order_is_reported_when_its_page_is_read(start: Start) -> None:
    orders = [{"provider": "funtrips", "reference": n, "external_user_id": "fan", "page_size": 1} for n in "12"]
    sim = start(*orders)
    sim.get(f"{ADMIN}?external_user_id=fan", headers=sim.bearer())
    assert sim.client.verdict()["providers"]["funtrips"]["unreported"] == ["2"]


def test_a_funtrips_record_can_be_nested(start: Start) -> None:
    fields = {"record_form": "nested", "codes_per_ticket": 2, "record_pdf": True, "deliverable_after": 5}
    sim = start({"provider": "funtrips", **fields})
    bearer = sim.bearer()
    [record] = sim.get(f"{ADMIN}?checkout_id=1", headers=bearer).json()
    [ticket] = record["tickets"]
    assert ticket["deliverable"] is False
    assert [code["format"] for code in ticket["barcodes"]] == ["QR", "QR"]
    assert set(ticket["validity"]) == {"from", "to"}
    assert set(record["pdf"]) == {"url", "expires_at"}
    assert record["event"]["venue"]["city"] == "Amsterdam"
    sim.clock.now += 5
    [record] = sim.get(f"{ADMIN}?checkout_id=1", headers=bearer).json()
    assert record["tickets"][0]["deliverable"] is True


def test_an_order_of_a_user_has_a_checkout_with_its_files(start: Start) -> None:
    sim = start({"provider": "funtrips", "reference": "user:fan"})
    bearer = sim.bearer()
    [listed] = sim.get(f"{ADMIN}?external_user_id=fan", headers=bearer).json()["items"]
    [record] = sim.get(f"{ADMIN}?checkout_id={listed['checkout_id']}", headers=bearer).json()
    assert record["tickets"][0]["pdf_url"]


def test_funtrips_tokens_expire(start: Start) -> None:
    sim = start({"provider": "funtrips"}, accounts=({"provider": "funtrips", "token_lifetime": 60},))
    bearer = sim.bearer()
    path = f"{ADMIN}?checkout_id=1"
    assert sim.get(path, headers=bearer).status_code == 200
    sim.clock.now += 60
    refused = sim.get(path, headers=bearer)
    assert (refused.status_code, refused.headers["Content-Type"]) == (401, "application/problem+json")
    assert sim.get(path, headers=(fresh := sim.bearer())).status_code == 200
    sim.client.update_account("funtrips", expire_tokens=True)
    assert sim.get(path, headers=fresh).status_code == 401


def test_funtrips_accepts_client_credentials_in_the_form(start: Start) -> None:
    sim = start()
    form = {"grant_type": "client_credentials", "client_id": "funtrips-default"}
    url = f"{sim.url}/funtrips/oauth/token"
    good = requests.post(url, data=form | {"client_secret": "funtrips-default-secret"}, timeout=TIMEOUT)
    assert good.json()["expires_in"] == 3600
    assert requests.post(url, data=form | {"client_secret": "guess"}, timeout=TIMEOUT).status_code == 401
    assert requests.post(url, headers={"Authorization": "Basic !"}, timeout=TIMEOUT).status_code == 401


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"ready_after": 5}, "pending"),
        ({}, "done"),
        ({"ends": "failed"}, "failed"),
        ({"ends": "cancelled"}, "cancelled"),
    ],
)
def test_tiqets_has_a_pdf_only_when_done(start: Start, fields: dict[str, Any], word: str) -> None:
    body = start({"provider": "tiqets"} | fields).tiqets().json()
    assert (body["success"], body["order_status"]) == (True, word)
    assert (body["tickets_pdf_url"] is not None) == (word == "done")


def test_tixstock_fills_the_files_of_its_items(start: Start) -> None:
    sim = start({"provider": "tixstock", "quantity": 3, "partial_after": 2, "ready_after": 4})

    def files() -> tuple[str, list[int]]:
        data = sim.tixstock().json()["data"]
        return data["status"], [len(item["file"]) for item in data["items"]]

    seen = [files()]
    for _ in range(2):
        sim.clock.now += 2
        seen.append(files())
    assert seen == [("Approved", [0, 0, 0]), ("Approved", [1, 0, 0]), ("Approved", [1, 1, 1])]


@pytest.mark.parametrize(("end", "word"), [("failed", "Rejected"), ("cancelled", "Cancelled")])
def test_tixstock_has_its_own_final_words(start: Start, end: str, word: str) -> None:
    assert start({"provider": "tixstock", "ends": end}).tixstock().json()["data"]["status"] == word


def test_voordemensen_shows_the_page_when_all_is_paid(start: Start) -> None:
    sim = start({"provider": "voordemensen", "partial_after": 2, "ready_after": 4, "quantity": 2})
    seen = []
    for _ in range(3):
        body = sim.voordemensen().json()
        seen.append((body["order_payment_status"], bool(body["order_tickets_url"])))
        sim.clock.now += 2
    assert seen == [("pending", False), ("partial", False), ("paid", True)]
    assert len(body["seats"]) == body["order_tickets_nr"] == 2
    assert "html" in requests.get(body["order_tickets_url"], timeout=TIMEOUT).headers["Content-Type"]


def test_a_client_name_that_voordemensen_does_not_know_is_a_404(start: Start) -> None:
    sim = start({"provider": "voordemensen"})
    assert sim.get("/voordemensen/v1/nobody/order/1").status_code == 404
    assert sim.client.verdict()["providers"]["voordemensen"]["wrong_credentials"] == 1


def test_a_paylogic_order_gets_its_etickets(start: Start) -> None:
    sim = start({"provider": "paylogic", "quantity": 2, "partial_after": 2, "ready_after": 4})
    seen = []
    for _ in range(3):
        order = sim.paylogic("orders/1").json()
        tickets = order["_embedded"]["shop:ticket"]
        seen.append(("shop:etickets" in order["_links"], ["shop:eticket" in t["_links"] for t in tickets]))
        sim.clock.now += 2
    assert seen == [(True, [False, False]), (True, [True, False]), (True, [True, True])]
    assert order["product_selection"][0]["quantity"] == 2
    assert {"apple_wallet_pass", "google_wallet_token"} <= tickets[0]["_links"].keys()


def test_each_ticket_of_a_paylogic_order_can_be_followed(start: Start) -> None:
    sim = start({"provider": "paylogic", "quantity": 2, "partial_after": 0, "ready_after": 4})
    tickets = sim.paylogic("orders/1").json()["_embedded"]["shop:ticket"]
    alone = [sim.paylogic(f"tickets/{ticket['uid']}").json() for ticket in tickets]
    assert [ticket["uid"] for ticket in alone] == [ticket["uid"] for ticket in tickets]
    assert ["shop:eticket" in ticket["_links"] for ticket in alone] == [True, False]


def test_a_paylogic_ticket_has_its_fulfilment_date(start: Start) -> None:
    sim = start({"provider": "paylogic", "reference": "ticket:abc", "fulfillment_starts_after": 6.5})
    assert sim.paylogic("tickets/abc").json()["fulfillment_starts_at"] == "2027-01-15T08:00:07Z"


def test_a_paylogic_ticket_waits_for_its_consumer(start: Start) -> None:
    sim = start({"provider": "paylogic", "reference": "ticket:abc", "needs_personalization_until": 6})
    first = sim.paylogic("tickets/abc").json()
    assert (first["needs_personalization"], "shop:eticket" in first["_links"]) == (True, False)
    sim.clock.now += 6
    second = sim.paylogic("tickets/abc").json()
    assert (second["needs_personalization"], "shop:eticket" in second["_links"]) == (False, True)


def test_a_paylogic_ticket_is_found_by_its_barcode_at_an_event(start: Start) -> None:
    sim = start({"provider": "paylogic", "reference": "code:866@ev1"})
    event = "https://shopping-api.paylogic.com/events/ev1"
    [ticket] = sim.paylogic(f"tickets?code=866&event={event}").json()["_embedded"]["shop:ticket"]
    assert ticket["code"] == "866"
    assert ticket["_links"]["shop:event"]["href"].endswith("/events/ev1")
    assert sim.paylogic(f"tickets?code=866&event={event}x").status_code == 404


def test_a_paylogic_user_sees_their_own_tickets_as_they_are_issued(start: Start) -> None:
    sim = start({"provider": "paylogic", "reference": "mine", "quantity": 2, "ready_after": 3})
    counts = []
    for _ in range(2):
        body = sim.get("/paylogic/tickets", headers=COGNITO).json()
        counts.append(len(body["_embedded"]["shop:ticket"]))
        sim.clock.now += 3
    assert counts == [0, 2]
    ticket = sim.get(f"/paylogic/tickets/{body['_embedded']['shop:ticket'][0]['uid']}", headers=COGNITO)
    assert "shop:eticket" in ticket.json()["_links"]
    assert sim.paylogic("tickets").status_code == 403


def test_the_paylogic_list_starts_at_a_date_and_reports_cancellations(start: Start) -> None:
    sim = start({"provider": "paylogic", "cancel_after": 5}, {"provider": "paylogic", "reference": "ticket:1"})
    sim.clock.now += 5
    body = sim.paylogic("orders?created__gte=2027-01-15T08:00:00Z").json()
    assert [order["status"] for order in body["_embedded"]["shop:order"]] == ["cancelled"]
    assert sim.paylogic("orders?created__gte=2027-01-15T08:00:01Z").json()["item_count"] == 0
    assert sim.paylogic("orders?created__gte=yesterday").status_code == 400
    assert sim.client.verdict()["providers"]["paylogic"]["unreported"] == ["ticket:1"]


def test_paylogic_requires_basic_authentication(start: Start) -> None:
    sim = start({"provider": "paylogic"})
    wrong = base64.b64encode(b"paylogic-default:guess").decode()
    for header in (f"Basic {wrong}", "Basic paylogic-default:paylogic-default-password", "Bearer x"):
        assert sim.get("/paylogic/orders/1", headers={"Authorization": header}).status_code == 401


def test_an_order_that_is_not_scripted_is_a_404_in_the_providers_form(start: Start) -> None:
    sim = start()
    assert sim.tiqets("9").json()["error_code"] == "not_found"
    assert sim.tixstock("9").json()["errors"]["code"] == "404"
    assert sim.voordemensen("9").json() == {"message": "Order not found"}
    assert sim.paylogic("orders/9").json()["code"] == "NOT_FOUND"
    problem = sim.get(f"{ADMIN}?checkout_id=9", headers=sim.bearer())
    assert (problem.status_code, problem.json()["title"]) == (404, "Not Found")


@pytest.mark.parametrize(
    "path", ["/funtrips/v2", "/tiqets/v2/orders", "/tixstock/v1/x", "/voordemensen/v1/demo/x", "/paylogic/x"]
)
def test_other_paths_are_not_found(start: Start, path: str) -> None:
    sim = start()
    headers = {
        "/funtrips/v2": PUBLIC,
        "/tiqets/v2/orders": {"Authorization": "Token tiqets-default-key"},
        "/tixstock/v1/x": {"Authorization": "Bearer tixstock-default-token"},
        "/paylogic/x": COGNITO,
    }.get(path)
    assert sim.get(path, headers=headers).status_code == 404
    assert sim.entries()[0]["kind"] == "other"


def test_accounts_are_distinguished_by_their_credentials(start: Start) -> None:
    second = {"provider": "tiqets", "name": "second", "credentials": {"api_key": "own"}}
    sim = start({"provider": "tiqets", "account": "second"}, accounts=(second,))
    own = {"Authorization": "Token own"}
    assert sim.get("/tiqets/v2/orders/1/tickets", headers=own).status_code == 200
    assert sim.tiqets().status_code == 404
    assert [entry["account"] for entry in sim.entries()] == ["second", "default"]


def test_a_document_needs_its_exact_name(start: Start) -> None:
    sim = start({"provider": "tiqets"})
    assert sim.get("/documents/tiqets/0123456789abcdef.pdf").status_code == 404
    assert sim.clock() == NOON


def test_a_document_may_be_ready_later_than_its_url(start: Start) -> None:
    sim = start({"provider": "tiqets", "documents_after": 10})
    path = urlsplit(sim.tiqets().json()["tickets_pdf_url"]).path
    assert sim.get(path).status_code == 404
    sim.clock.now += 10
    assert sim.get(path).status_code == 200


def test_a_signed_url_expires_and_cannot_be_extended(start: Start) -> None:
    sim = start({"provider": "tiqets", "link_life": 10})
    url = urlsplit(sim.tiqets().json()["tickets_pdf_url"])
    expires, _, signature = url.query.partition("&")
    assert sim.get(f"{url.path}?{url.query}").content.startswith(b"%PDF-")
    for query in ("", "expires=x", f"{expires}0&{signature}", f"expires={NOON + 99:.3f}&{signature}"):
        assert sim.get(f"{url.path}?{query}").status_code == 403
    sim.clock.now += 10
    assert sim.get(f"{url.path}?{url.query}").status_code == 403
    assert sim.tiqets().json()["tickets_pdf_url"] != url.geturl()


def test_a_paylogic_order_of_any_status_links_to_a_download(start: Start) -> None:
    sim = start(
        {"provider": "paylogic", "reference": "1", "ready_after": 60, "only_a_download": True},
        {"provider": "paylogic", "reference": "2", "ends": "cancelled", "quantity": 2},
    )
    pending, cancelled = sim.paylogic("orders/1").json(), sim.paylogic("orders/2").json()
    assert "_embedded" not in pending
    assert pending["_links"]["shop:etickets"]["type"] == "text/html"
    assert cancelled["_links"]["shop:etickets"]["type"] == "text/html"


def test_a_paylogic_combo_has_a_parent_and_its_parts(start: Start) -> None:
    sim = start({"provider": "paylogic", "combo": True, "quantity": 3, "transferred": 1})
    order = sim.paylogic("orders/1").json()
    first, *parts = order["_embedded"]["shop:ticket"]
    assert [line["quantity"] for line in order["product_selection"]] == [1, 2]
    assert order["product_selection"][1]["parent"] == order["product_selection"][0]["product"]
    assert {part["_links"]["shop:parent"]["href"] for part in parts} == {first["_links"]["self"]["href"]}
    assert "shop:eticket" not in first["_links"]
    assert first["status"] == "transferred"
