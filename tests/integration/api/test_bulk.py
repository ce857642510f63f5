"""One action on many orders over HTTP and on the board."""

import html
import re
from dataclasses import replace

import pytest
import requests

from tests.integration.api.conftest import OPERATOR_KEY, RIVAL_KEY, SHOP_KEY, Running, problem
from tests.integration.api.operator import Operator, words
from willcall.orders.model import Ticket, TicketKind
from willcall.stores.commits import Commit
from willcall.stores.registry import Stores

LATER = "2099-01-01T00:00:00Z"


def statuses(answer: requests.Response) -> dict[str, int]:
    assert answer.status_code == 200, answer.text
    return {result["id"]: result["status_code"] for result in answer.json()["results"]}


def outcomes(stores: Stores, order_id: str) -> list[tuple[str, str]]:
    return [(entry.outcome, entry.why) for entry in stores.orders.timeline(order_id)]


@pytest.fixture
def crowd(api: Running) -> Running:
    for number in range(3):
        api.submit(f"ord-{number}", not_before=LATER, callback_url="https://8.8.8.8/hook")
    return api


def test_each_order_has_a_result_and_a_line_in_its_timeline(crowd: Running, stores: Stores) -> None:
    crowd.post("/v1/orders/ord-1/cancel")
    ids = ["ord-2", "no-such", "ord-1", "ord-2"]
    polled = crowd.post("/v1/orders:bulk", {"action": "poll", "ids": ids}, key=OPERATOR_KEY)
    assert statuses(polled) == {"ord-2": 200, "no-such": 404, "ord-1": 409}
    assert polled.json()["results"][0]["order"]["id"] == "ord-2"
    assert polled.json()["results"][2]["error"]["detail"] == "order ord-1 is cancelled; polling cannot change that"
    assert outcomes(stores, "ord-2") == [("poll_requested", "an operator")]
    assert outcomes(stores, "ord-0") == []
    cancelled = crowd.post("/v1/orders:bulk", {"action": "cancel", "ids": ["ord-0", "ord-1"]})
    assert statuses(cancelled) == {"ord-0": 200, "ord-1": 200}
    assert outcomes(stores, "ord-0")[-1] == ("cancelled", "the backend")
    redelivered = crowd.post("/v1/orders:bulk", {"action": "redeliver", "ids": ["ord-0", "ord-2"]})
    assert statuses(redelivered) == {"ord-0": 200, "ord-2": 409}


def test_a_poll_keeps_to_not_before_and_to_hints(crowd: Running) -> None:
    polled = crowd.post("/v1/orders:bulk", {"action": "poll", "ids": ["ord-0"]}).json()
    assert polled["results"][0]["order"]["next_poll_at"] == LATER


def test_completing_takes_the_tickets_that_are_here(crowd: Running, stores: Stores) -> None:
    before = stores.orders.get("ord-1")
    assert before
    ticket = Ticket(TicketKind.BARCODE, code="4711")
    after = replace(before, tickets=(ticket,))
    stores.commits.write(Commit(before, after, tickets=True))
    answer = crowd.post("/v1/orders:bulk", {"action": "complete", "ids": ["ord-0", "ord-1"]}, key=OPERATOR_KEY)
    assert statuses(answer) == {"ord-0": 422, "ord-1": 200}
    assert answer.json()["results"][1]["order"]["ended_by"] == "operator"
    resumed = crowd.post("/v1/orders:bulk", {"action": "resume", "ids": ["ord-0", "ord-1"]})
    assert statuses(resumed) == {"ord-0": 200, "ord-1": 409}


def test_orders_are_found_by_a_filter_in_parts(crowd: Running) -> None:
    body = {"action": "poll", "filter": {"text": "ord-", "metadata": {}}, "limit": 2}
    first = crowd.post("/v1/orders:bulk", body)
    assert statuses(first) == {"ord-2": 200, "ord-1": 200}
    rest = crowd.post("/v1/orders:bulk", {**body, "cursor": first.json()["next_cursor"]})
    assert (statuses(rest), rest.json()["next_cursor"]) == ({"ord-0": 200}, None)


@pytest.mark.parametrize(
    "body",
    [
        {"action": "poll"},
        {"action": "poll", "ids": ["a"], "filter": {"text": "a"}},
        {"action": "poll", "filter": {}},
        {"action": "poll", "filter": {"colour": "blue"}},
        {"action": "poll", "ids": []},
        {"action": "poll", "ids": ["a"] * 1_001},
        {"action": "poll", "ids": ["a b"]},
        {"action": "erase", "ids": ["a"]},
        {"action": "poll", "filter": {"text": "a"}, "limit": 1_001},
        {"action": "poll", "filter": {"status": "pending"}, "cursor": "0000000000000001:a"},
        [],
    ],
)
def test_what_is_wrong_is_rejected_as_a_whole(api: Running, body: object) -> None:
    problem(api.post("/v1/orders:bulk", body), 422, "rejected")


def test_a_client_acts_on_its_own_orders_only(api: Running, stores: Stores) -> None:
    for order_id, key in (("of-shop", SHOP_KEY), ("of-rival", RIVAL_KEY)):
        order = {"id": order_id, "provider": "tiqets", "reference": order_id, "not_before": LATER}
        api.post("/v1/orders", order, key=key)
    answer = api.post("/v1/orders:bulk", {"action": "cancel", "ids": ["of-rival", "of-shop"]}, key=SHOP_KEY)
    assert statuses(answer) == {"of-rival": 404, "of-shop": 200}
    answer = api.post("/v1/orders:bulk", {"action": "cancel", "filter": {"provider": "tiqets"}}, key=SHOP_KEY)
    assert statuses(answer) == {"of-shop": 200}
    order = stores.orders.get("of-rival")
    assert order
    assert order.status == "pending"


def test_the_board_asks_before_it_acts_on_selected_orders(crowd: Running, stores: Stores) -> None:
    operator = Operator(crowd)
    listed = operator.get("/orders?provider=tiqets")
    assert 'name="id" value="ord-1"' in listed.text
    sent = {"back": "/orders?provider=tiqets", "action": "cancel"}
    nothing = operator.post("/orders/bulk", **sent)
    assert (nothing.status_code, nothing.headers["Location"]) == (303, sent["back"])
    assert "Select at least one order." in words(operator.get(sent["back"]))
    chosen = {**sent, "id": ["ord-0", "ord-1"]}
    asked = operator.post("/orders/bulk", **chosen)  # type: ignore[arg-type]
    assert "Cancel 2 orders? Willcall stops polling and notifies the backends." in words(asked)
    assert outcomes(stores, "ord-0") == []
    crowd.post("/v1/orders:bulk", {"action": "complete", "ids": ["ord-1"]})
    fields = dict(re.findall(r'name="(action|confirmed|back)" value="([^"]*)"', asked.text))
    ids = re.findall(r'name="id" value="([^"]*)"', asked.text)
    done = operator.post("/orders/bulk", id=ids, **{name: html.unescape(value) for name, value in fields.items()})
    assert done.headers["Location"] == sent["back"]
    assert "2 orders cancelled." in words(operator.get(sent["back"]))
    assert outcomes(stores, "ord-0")[-1] == ("cancelled", "board")


def test_the_board_selects_all_orders_of_a_page_without_a_script(crowd: Running) -> None:
    operator = Operator(crowd)
    page_ids = re.findall(r'name="page_ids" value="([^"]*)"', operator.get("/orders").text)[0]
    assert page_ids.split() == ["ord-2", "ord-1", "ord-0"]
    asked = operator.post("/orders/bulk", action="redeliver", page_ids=page_ids, all="1", back="/orders")
    assert "Redeliver 3 orders?" in words(asked)
    operator.post("/orders/bulk", action="redeliver", page_ids=page_ids, all="1", confirmed="1", back="/orders")
    said = words(operator.get("/orders"))
    assert "0 orders queued for redelivery. 3 orders left as before: The status of order ord-2 has not" in said
    assert operator.post("/orders/bulk", action="erase", id="ord-1").status_code == 422
    foreign = operator.post("/orders/bulk", headers={"Origin": "https://evil.example"}, action="cancel", id="ord-1")
    assert foreign.status_code == 403
