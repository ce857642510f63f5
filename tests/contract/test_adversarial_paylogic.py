"""Paylogic's documented responses, altered: people, tickets and final words stay right."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from tests.contract.adversarial import NOW, OrderUnderTest, altered, check_final_word, rounds
from willcall.http.messages import Response
from willcall.orders.model import Status
from willcall.orders.outcomes import Issued, PartlyIssued
from willcall.orders.ticket_admissions import count_admissions
from willcall.providers.lenient_json import read_lenient_object

SEED = Path(__file__).parent.parent / "fixtures" / "paylogic" / "seed_ticket" / "body"
API = "https://shopping-api.paylogic.com"
UID = "4f6cc8bea3ac4cfeb6b41a09bfd80c74"
PEOPLE = 3
#: What says who the customer is, on each documented ticket.
PERSONAL = ("Sesamstraat", "bravoure@seetickets", "1234AA")


def ticket(number: int) -> dict[str, Any]:
    """The documented ticket, with what its table describes beyond the sample."""
    body: Any = read_lenient_object(Response(200, {}, SEED.read_bytes(), NOW))
    whole = copy.deepcopy(dict(body))
    uid = f"{number:032x}"
    for name in ("shop:parent", "curies", "profile"):
        del whole["_links"][name]
    whole["_links"]["self"]["href"] = f"{API}/tickets/{uid}"
    whole["_links"]["shop:eticket"]["href"] = f"https://download.paylogic.nl/download/eticket/{uid}"
    whole["_links"]["google_wallet_token"] = {"href": f"{API}/tickets/{uid}/google"}
    price = {"currency": "EUR", "amount": "10.00"}
    return {**whole, "uid": uid, "code": f"86630928747{number:02d}", "price": price}


TICKETS = [ticket(number) for number in range(PEOPLE)]
SUBSETS = [{name: one[name] for name in ("_links", "uid", "status", "has_valid_subscription")} for one in TICKETS]
for subset in SUBSETS:
    subset["_links"] = {name: subset["_links"][name] for name in ("self", "shop:event", "shop:product", "shop:order")}

ORDER = {
    "_links": {
        "self": {"href": f"{API}/orders/{UID}"},
        "shop:etickets": {"href": "https://download.paylogic.com/eticket/1", "type": "text/html"},
    },
    "uid": UID,
    "reference": "525743",
    "status": "completed",
    "product_selection": [{"product": f"{API}/products/1", "quantity": PEOPLE}],
}
EMBEDDED = {**ORDER, "_embedded": {"shop:ticket": TICKETS}}
LINKED = copy.deepcopy(ORDER)
LINKED["_links"]["shop:ticket"] = [one["_links"]["self"] for one in TICKETS]  # type: ignore[index]
LISTED = copy.deepcopy(ORDER)
LISTED["_links"]["shop:tickets"] = {"href": f"{API}/orders/{UID}/tickets"}  # type: ignore[index]
MINE = {
    "_links": {"self": {"href": f"{API}/tickets"}, "next": {"href": f"{API}/tickets/page-2"}},
    "_embedded": {"shop:ticket": SUBSETS[:2]},
}

#: The further responses by path: the tickets, the tokens of their passes, and the pages of a list.
RESOURCES: dict[str, Any] = {urlsplit(one["_links"]["self"]["href"]).path: one for one in TICKETS}
RESOURCES |= {f"{path}/google": f"eyJ.{number}.sig" for number, path in enumerate(list(RESOURCES))}
RESOURCES[f"/orders/{UID}/tickets"] = {
    "_links": {"next": {"href": f"{API}/orders/{UID}/tickets/2"}},
    "_embedded": {"shop:ticket": SUBSETS[:2]},
}
RESOURCES[f"/orders/{UID}/tickets/2"] = {"_links": {}, "_embedded": {"shop:ticket": [SUBSETS[2], SUBSETS[0]]}}
RESOURCES["/tickets/page-2"] = {"_links": {}, "_embedded": {"shop:ticket": SUBSETS[1:]}}
PATHS = sorted(RESOURCES)


def tickets_in(value: Any) -> Iterator[dict[str, Any]]:
    """Everything in some bodies that can be a ticket: any object with links, but orders."""
    if isinstance(value, dict):
        if "_links" in value and "product_selection" not in value:
            yield value
        for member in value.values():
            yield from tickets_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from tickets_in(member)
    elif isinstance(value, str) and value.startswith(("{", "[")):
        yield from tickets_in(json.loads(value))


def check(order: OrderUnderTest, outcome: Any, *bodies: Any) -> None:
    check_final_word(outcome, *bodies)
    found = list(tickets_in(bodies))
    if isinstance(outcome, Issued | PartlyIssued):
        assert count_admissions(outcome.tickets) <= max(len(found), PEOPLE)
        assert count_admissions(outcome.tickets) <= PEOPLE, "there are only three tickets, whatever is repeated"
        assert all(ticket.covers == 1 for ticket in outcome.tickets)
        kept = json.dumps([dict(ticket.extra) for ticket in order.order.tickets])
        assert not any(personal in kept for personal in PERSONAL)


@given(altered(EMBEDDED))
def test_an_order_with_its_tickets(body: Any) -> None:
    order = OrderUnderTest("paylogic", UID, quantity=PEOPLE)
    outcome = order.poll(body, RESOURCES)
    check(order, outcome, body)
    if isinstance(outcome, Issued):
        assert order.people == PEOPLE, "the caller's number is reached"


@given(altered(EMBEDDED))
def test_an_order_without_a_number_of_the_caller_believes_the_largest_of_the_provider(body: Any) -> None:
    order = OrderUnderTest("paylogic", UID)
    outcome = order.poll(body, RESOURCES)
    check(order, outcome, body)
    if isinstance(outcome, Issued) and body.get("product_selection") == ORDER["product_selection"]:
        void = sum(ticket.status == "void" for ticket in outcome.tickets)
        assert order.people + void >= PEOPLE


@given(st.sampled_from([LINKED, LISTED]), rounds(PATHS), st.sampled_from([None, PEOPLE]))
def test_tickets_that_are_split_over_attempts_come_together(body: Any, missing: Any, quantity: int | None) -> None:
    order = OrderUnderTest("paylogic", UID, quantity=quantity)
    people = 0
    for lost in missing:
        outcome = order.poll(body, RESOURCES | dict.fromkeys(lost))
        check(order, outcome, body)
        assert order.people >= people, "what was shown stays"
        assert not isinstance(outcome, Issued) or order.people == PEOPLE
        people = order.people
    for _ in range(2):  # wallet passes may follow in one more attempt
        order.poll(body, RESOURCES)
    assert (order.order.status, order.people) == (Status.FULFILLED, PEOPLE)


@given(altered(LINKED), altered(RESOURCES))
def test_an_order_that_links_to_altered_tickets(body: Any, resources: Any) -> None:
    order = OrderUnderTest("paylogic", UID, quantity=PEOPLE)
    further = resources if isinstance(resources, dict) else {}
    outcome = order.poll(body, further)
    check(order, outcome, body, further)
    if isinstance(outcome, Issued):
        assert order.people == PEOPLE


@given(altered(MINE), altered(RESOURCES), rounds(PATHS, most=2))
def test_a_users_own_list(body: Any, resources: Any, missing: Any) -> None:
    order = OrderUnderTest("paylogic", "mine", quantity=PEOPLE, kind=1)
    further = resources if isinstance(resources, dict) else {}
    people = 0
    for lost in missing:
        check(order, order.poll(MINE, RESOURCES | dict.fromkeys(lost)), MINE)
        assert people <= order.people <= PEOPLE, "what was shown stays"
        people = order.people
    outcome = order.poll(body, further)
    check(order, outcome, body, further)
    if isinstance(outcome, Issued):
        assert order.people == PEOPLE


def test_the_documented_responses_themselves_fulfil_the_order() -> None:
    for reference, body, kind in ((UID, EMBEDDED, 0), (UID, LINKED, 0), (UID, LISTED, 0), ("mine", MINE, 1)):
        order = OrderUnderTest("paylogic", reference, quantity=PEOPLE, kind=kind)
        assert isinstance(order.poll(body, RESOURCES), Issued)
        assert order.people == PEOPLE
        assert sum(one.wallet == "google" for one in order.order.tickets) == PEOPLE
