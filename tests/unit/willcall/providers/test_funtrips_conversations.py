"""Funtrips: the pages of a list, and the checkouts that are looked up one by one."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from willcall.http.messages import Request, Response
from willcall.orders.model import DocumentKind, Ticket, TicketKind
from willcall.orders.outcomes import Cancelled, Declined, Issued, NotReady, Outcome, PartlyIssued, outcome_name
from willcall.orders.user_lists import Ownership, ticket_keys
from willcall.providers.base import OrderQuery
from willcall.providers.funtrips import ADAPTER
from willcall.providers.funtrips.credentials import FuntripsCredentials
from willcall.usecases.conversations import first_request, hold

BASE = "https://api.funtrips.example/live"
LIST = f"{BASE}/v1/admin/fulfillments"
OAUTH = FuntripsCredentials(
    base_url=BASE,
    token_url="https://auth.funtrips.example/oauth/token",
    client_id="box-office",
    client_secret=SecretStr("secret"),
)
HEADLESS = FuntripsCredentials(base_url=BASE, public_bearer=SecretStr("public-1"))

Answers = Mapping[str, Any]


def key(request: Request) -> str:
    """The path and the parameters of a request."""
    params = "&".join(f"{name}={value}" for name, value in (request.params or {}).items())
    path = request.url.removeprefix(BASE)
    return f"{path}{'&' if '?' in path and params else '?' if params else ''}{params}"


def respond(document: Any, status: int = 200) -> Response:
    return Response(status, {"content-type": "application/json"}, json.dumps(document).encode(), received_at=0.0)


def talk(
    query: OrderQuery,
    answers: Answers,
    credentials: FuntripsCredentials = OAUTH,
    owners: Ownership | None = None,
) -> tuple[Outcome, list[str]]:
    """Hold a conversation. Returns the outcome, and the requests in their sequence; one without answer fails."""
    asked: list[Request] = []

    def send(request: Request) -> Response | None:
        if not request.url.startswith(f"{BASE}/"):
            return None  # as the use case does
        asked.append(request)
        answer = answers.get(key(request))
        return answer if answer is None or isinstance(answer, Response) else respond(answer)

    first = send(first_request(ADAPTER.converse(query, credentials, "backend-1")))
    assert first is not None, key(asked[0])
    conversation = ADAPTER.converse(query, credentials, "backend-1")
    outcome = hold(conversation, first, send, lambda _keys: owners or Ownership())
    bearers = {request.headers["Authorization"] for request in asked}
    assert bearers == {"Bearer public-1" if credentials.headless else "Bearer backend-1"}
    return outcome, [key(request) for request in asked]


def record(checkout: str = "c1", *codes: str, **fields: Any) -> dict[str, Any]:
    tickets = [{"barcode": code, "pdf_url": f"https://files.example/{code}.pdf"} for code in codes]
    return {"checkout_id": checkout, "fulfillment_order_id": f"f-{checkout}", "tickets": tickets, **fields}


def listed(checkout: str = "c1", *codes: str, **fields: Any) -> dict[str, Any]:
    """A record as a list shows it: without PDFs."""
    return {**record(checkout, **fields), "tickets": [{"barcode": code} for code in codes]}


def codes_of(outcome: Outcome) -> list[str | None]:
    assert isinstance(outcome, Issued | PartlyIssued), outcome
    return [ticket.code for ticket in outcome.tickets]


USER = "/v1/admin/fulfillments?external_user_id=7"
CHECKOUT = "/v1/admin/fulfillments?checkout_id=c1"
QUERY = OrderQuery("user:7", quantity=2)


# Pages


@pytest.mark.parametrize(
    "following",
    [
        {"next_cursor": "p2"},
        {"cursor": "p2"},
        {"next": "p2"},
        {"next": {"cursor": "p2"}},
        {"pagination": {"next_cursor": "p2"}},
        {"meta": {"next": "p2"}},
        {"pagination": {"cursor": "p2", "has_more": True}},
    ],
)
def test_a_cursor_leads_to_the_next_page(following: dict[str, Any]) -> None:
    answers = {
        CHECKOUT: {"items": [record("c1", "A")], **following},
        f"{CHECKOUT}&cursor=p2": {"items": [record("c1", "B", fulfillment_order_id="f2")], "next_cursor": None},
    }
    outcome, asked = talk(OrderQuery("c1"), answers)
    assert asked == list(answers)
    assert isinstance(outcome, Issued)
    assert codes_of(outcome) == ["A", "B"]


@pytest.mark.parametrize(
    "address",
    [
        f"{LIST}?checkout_id=c1&cursor=p2",
        f"{LIST}?cursor=p2",
        "/live/v1/admin/fulfillments?cursor=p2",
        "?cursor=p2",
    ],
)
@pytest.mark.parametrize("form", [{"links": "next"}, {"_links": "next"}, {"": "next"}])
def test_an_address_leads_to_the_next_page_and_never_loses_the_filter(address: str, form: dict[str, str]) -> None:
    [(outer, name)] = form.items()
    following = {name: {"href": address}} if outer == "_links" else {name: address}
    first = {"items": [record("c1", "A")], **({outer: following} if outer else following)}
    second = {"items": [record("c1", "B", fulfillment_order_id="f2")]}
    path = "/v1/admin/fulfillments"
    answers = {CHECKOUT: first}
    answers |= dict.fromkeys([f"{path}?checkout_id=c1&cursor=p2", f"{path}?cursor=p2&checkout_id=c1"], second)
    outcome, asked = talk(OrderQuery("c1"), answers)
    assert codes_of(outcome) == ["A", "B"]
    assert "checkout_id=c1" in asked[1]


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example/live/v1/admin/fulfillments?cursor=p2",
        "https://api.funtrips.example/live2/v1/x",
        f"{BASE}/../other/v1/x",
        f"{BASE}/%2e%2e/other",
        "//elsewhere.example/x",
        "http://[",
    ],
)
def test_an_address_elsewhere_is_not_followed(address: str) -> None:
    outcome, asked = talk(OrderQuery("c1"), {CHECKOUT: {"items": [record("c1", "A")], "next": address}})
    assert asked == [CHECKOUT]
    assert isinstance(outcome, PartlyIssued)


def test_pages_that_lead_to_each_other_end() -> None:
    answers = {
        CHECKOUT: {"items": [record("c1", "A")], "next_cursor": "p2"},
        f"{CHECKOUT}&cursor=p2": {"items": [], "next_cursor": "p3"},
        f"{CHECKOUT}&cursor=p3": {"items": [], "next_cursor": "p2"},
    }
    outcome, asked = talk(OrderQuery("c1"), answers)
    assert asked == list(answers)
    assert isinstance(outcome, Issued)


def test_pages_without_an_end_are_bounded() -> None:
    class Endless(dict[str, Any]):
        def get(self, name: str, _default: Any = None) -> Any:
            return {"items": [listed(f"c{len(name)}", status="PENDING")], "next_cursor": f"x{name[-60:]}{len(name)}"}

    _, asked = talk(QUERY, Endless())
    assert len(asked) <= 50


def test_a_provider_that_ignores_the_cursor_repeats_its_first_page_needlessly() -> None:
    page = {"items": [record("c1", "A")], "next_cursor": "p2"}
    outcome, asked = talk(OrderQuery("c1", quantity=2), {CHECKOUT: page, f"{CHECKOUT}&cursor=p2": page})
    assert len(asked) == 2
    assert isinstance(outcome, Issued)
    assert codes_of(outcome) == ["A"]


@pytest.mark.parametrize("second", [None, respond({}, 202), respond({}, 503), respond({}, 400), respond("x")])
def test_an_order_is_not_final_before_all_its_pages_are_read(second: Response | None) -> None:
    for status, outcome_type in (("COMPLETED", PartlyIssued), ("FAILED", NotReady), ("CANCELLED", NotReady)):
        first = {"items": [record("c1", *(["A"] if status == "COMPLETED" else []), status=status)], "next_cursor": "p"}
        outcome, _ = talk(OrderQuery("c1"), {CHECKOUT: first, f"{CHECKOUT}&cursor=p": second})
        assert isinstance(outcome, outcome_type)
        assert outcome.detail == "not all pages of the list could be read"


def test_a_cursor_of_the_page_itself_is_no_next_page() -> None:
    first = {"items": [record("c1", "A")], "cursor": "p1"}
    outcome, _ = talk(OrderQuery("c1"), {CHECKOUT: first, f"{CHECKOUT}&cursor=p1": respond({}, 400)})
    assert isinstance(outcome, Issued)


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_an_end_needs_the_records_of_all_pages(status: str) -> None:
    answers = {
        CHECKOUT: {"items": [record("c1", status=status)], "next_cursor": "p2"},
        f"{CHECKOUT}&cursor=p2": {"items": [record("c1", "B", fulfillment_order_id="f2")]},
    }
    outcome, _ = talk(OrderQuery("c1"), answers)
    assert not isinstance(outcome, Declined | Cancelled)
    assert codes_of(outcome) == ["B"]


def test_a_record_on_two_pages_counts_once() -> None:
    old, new = "https://files.example/1.pdf?X-Signature=a", "https://files.example/1.pdf?X-Signature=b"
    answers = {
        USER: {"items": [record("c1", tickets=[{"pdf_url": old}])], "next_cursor": "p2"},
        f"{USER}&cursor=p2": {"items": [record("c1", tickets=[{"pdf_url": new}])]},
    }
    outcome, _ = talk(QUERY, answers)
    assert isinstance(outcome, PartlyIssued)
    assert [ticket.url for ticket in outcome.tickets] == [new]


def test_pages_from_before_the_order_are_not_read() -> None:
    def page(year: int) -> list[dict[str, Any]]:
        return [record(f"c{year}", f"A{year}", last_mutation_date=f"{year}-03-01T10:00:00Z")]

    answers = {
        USER: {"items": page(2026), "next_cursor": "p2"},
        f"{USER}&cursor=p2": {"items": page(2024), "next_cursor": "p3"},
    }
    outcome, asked = talk(replace(QUERY, bought_at=1_767_225_600.0), answers)
    assert asked == list(answers)
    assert codes_of(outcome) == ["A2026"]


# Single checkouts


def test_a_listed_order_is_looked_up_for_its_files() -> None:
    answers = {USER: {"items": [listed("c1", "A", "B")]}, CHECKOUT: [record("c1", "A", "B")]}
    outcome, asked = talk(QUERY, answers)
    assert asked == list(answers)
    assert isinstance(outcome, Issued)
    assert [(ticket.code, ticket.url) for ticket in outcome.tickets] == [
        ("A", "https://files.example/A.pdf"),
        ("B", "https://files.example/B.pdf"),
    ]


def test_a_user_looks_up_a_checkout_of_their_own() -> None:
    answers = {
        "/v1/me/fulfillments": {"items": [listed("c:1", "A")]},
        "/v1/checkouts/c%3A1/fulfillment": record("c:1", "A"),
    }
    outcome, asked = talk(OrderQuery("me", 1), answers, HEADLESS)
    assert asked == list(answers)
    assert isinstance(outcome, Issued)
    assert outcome.tickets[0].url


def test_the_pdf_of_the_whole_order_is_a_document() -> None:
    answers = {
        USER: {"items": [listed("c1", "A", "B")]},
        CHECKOUT: [{**listed("c1", "A", "B"), "pdf": {"url": "https://files.example/all.pdf?s=1"}}],
    }
    outcome, _ = talk(QUERY, answers)
    assert isinstance(outcome, Issued)
    assert codes_of(outcome) == ["A", "B"]
    [document] = outcome.documents
    assert (document.kind, document.url) == (DocumentKind.TICKETS, "https://files.example/all.pdf?s=1")


def test_files_without_codes_are_not_counted_beside_the_codes() -> None:
    answers = {
        USER: {"items": [listed("c1", "A", "B")]},
        CHECKOUT: [record("c1", tickets=[{"pdf_url": f"https://files.example/{n}.pdf"} for n in (1, 2)])],
    }
    outcome, _ = talk(replace(QUERY, quantity=4), answers)
    assert isinstance(outcome, PartlyIssued)
    assert codes_of(outcome) == ["A", "B"]
    assert [one.url for one in outcome.documents] == ["https://files.example/1.pdf", "https://files.example/2.pdf"]


def test_tickets_with_other_ids_are_other_tickets_whatever_each_answer_shows() -> None:
    files = [{"ticket_id": f"t{n}", "pdf_url": f"https://files.example/{n}.pdf"} for n in (2, 3)]
    answers = {
        USER: {"items": [record("c1", tickets=[{"ticket_id": "t1", "barcode": "A"}])]},
        CHECKOUT: [record("c1", tickets=files)],
    }
    outcome, _ = talk(replace(QUERY, quantity=3), answers)
    assert isinstance(outcome, Issued)
    assert len(outcome.tickets) == 3


def test_a_ticket_without_code_and_file_is_looked_up() -> None:
    answers = {
        USER: {"items": [record("c1", tickets=[{"ticket_id": "t1"}, {"seat": "4"}])]},
        CHECKOUT: [record("c1", tickets=[{"ticket_id": "t1", "barcode": "A"}, {"barcode": "B", "seat": "4"}])],
    }
    outcome, _ = talk(QUERY, answers)
    assert isinstance(outcome, Issued)
    assert codes_of(outcome) == ["A", "B"]


def test_only_the_orders_own_checkouts_are_looked_up() -> None:
    taken = ticket_keys([Ticket(TicketKind.BARCODE, code="X")])
    old = listed("c3", "O", last_mutation_date="2020-01-01T00:00:00Z")
    answers = {
        USER: {"items": [listed("c2", "X"), listed("c1", "A", "B"), old, listed("c4", status="FAILED")]},
        CHECKOUT: [record("c1", "A", "B")],
    }
    query = replace(QUERY, bought_at=1_767_225_600.0)
    outcome, asked = talk(query, answers, owners=Ownership(other_orders=taken))
    assert asked == list(answers)
    assert codes_of(outcome) == ["A", "B"]


def test_a_file_that_is_stored_already_is_not_looked_up_again() -> None:
    present = (Ticket(TicketKind.BARCODE, code="A", url="https://files.example/A.pdf", document="doc-1"),)
    outcome, asked = talk(replace(QUERY, present=present), {USER: {"items": [listed("c1", "A")]}})
    assert asked == [USER]
    assert isinstance(outcome, PartlyIssued)


@pytest.mark.parametrize("detail", [None, respond({}, 409), respond({}, 202), respond({}, 503), respond("x")])
def test_files_that_cannot_be_looked_up_are_awaited_once(detail: Response | None) -> None:
    answers = {USER: {"items": [listed("c1", "A", "B")]}, CHECKOUT: detail}
    outcome, _ = talk(QUERY, answers)
    assert isinstance(outcome, PartlyIssued)
    assert outcome.detail == "the PDFs could not be looked up"
    again, asked = talk(replace(QUERY, present=outcome.tickets), answers)
    assert isinstance(again, Issued)
    assert asked == list(answers)


def test_a_checkout_that_is_unknown_has_no_files() -> None:
    outcome, _ = talk(QUERY, {USER: {"items": [listed("c1", "A", "B")]}, CHECKOUT: respond({}, 404)})
    assert isinstance(outcome, Issued)


@pytest.mark.parametrize("checkout", ["../x", "a/b", "", " ", 7, None, ["c1"], "x" * 300])
def test_an_impossible_checkout_is_not_looked_up_in_a_path(checkout: Any) -> None:
    listed_record = {**listed("c1", "A"), "checkout_id": checkout}
    outcome, asked = talk(OrderQuery("me", 1), {"/v1/me/fulfillments": {"items": [listed_record]}}, HEADLESS)
    assert asked in (["/v1/me/fulfillments"], ["/v1/me/fulfillments", "/v1/checkouts/7/fulfillment"])
    assert outcome_name(outcome) in {"issued", "partly_issued"}


def test_a_lookup_that_shows_another_users_tickets_adds_none() -> None:
    other = record("c1", "A", "B", "C", external_user_id="8")
    answers = {USER: {"items": [listed("c1", "A", external_user_id="7")]}, CHECKOUT: [other]}
    outcome, _ = talk(QUERY, answers)
    assert codes_of(outcome) == ["A"]


def test_lookups_are_bounded() -> None:
    every = {"items": [listed(f"c{number}", f"A{number}") for number in range(60)]}
    outcome, asked = talk(replace(QUERY, quantity=60), {USER: every})
    assert isinstance(outcome, PartlyIssued)
    assert len(asked) == 1 + 20
