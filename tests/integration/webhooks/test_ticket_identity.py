"""Which pushed and polled tickets are the same, over real HTTP: none is lost, none counts twice."""

import json
from typing import Any

import pytest

from tests.integration.webhooks.conftest import WebhookHarness, general, pdf, seat, upload
from willcall.orders.model import Status
from willcall.simulator.script import OrderScript
from willcall.stores import keys


def links(*entries: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return upload(type="order.mobile_link_ticket_fulfilment", mobile_links=list(entries), **fields)


def contents(harness: WebhookHarness) -> list[bytes]:
    return sorted(harness.system.context.documents.read(ticket.document or "") for ticket in harness.order().tickets)


@pytest.mark.parametrize("word", ["TBC", None])
def test_files_without_a_real_seat_are_distinguished_by_content(harness: WebhookHarness, word: object) -> None:
    harness.submit(quantity=4)
    answers = [harness.answer(upload(row=word, seat=word, pdf=pdf(f"ticket {n}"))) for n in range(4)]
    assert [answer["order_status"] for answer in answers] == ["Approved"] * 3 + ["Delivered"]
    assert contents(harness) == [pdf(f"ticket {n}") for n in range(4)]
    assert harness.order().status is Status.FULFILLED


def test_a_seat_without_a_row_counts_once_and_loses_no_file(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    harness.answer(upload(row="TBC", seat="1", pdf=pdf("a")))
    assert harness.answer(upload(row="TBC", seat="1", pdf=pdf("b")))["order_status"] == "Approved"
    assert contents(harness) == [pdf("a"), pdf("b")]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"id": "listing-1"}, {"id": "listing-2"}),
        ({"section": "104"}, {"section": "105"}),
        ({"row": "V"}, {"row": "W"}),
    ],
)
def test_equal_seats_in_different_sections_are_two_tickets(
    harness: WebhookHarness, one: dict[str, str], two: dict[str, str]
) -> None:
    harness.submit(quantity=2)
    assert harness.answer(upload(pdf=pdf("a"), **one))["order_status"] == "Approved"
    assert harness.answer(upload(pdf=pdf("b"), **two))["order_status"] == "Delivered"
    assert contents(harness) == [pdf("a"), pdf("b")]


def test_one_file_for_two_seats_is_one_admission(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    harness.answer(upload(seat="100", pdf=pdf("a")))
    assert harness.answer(upload(seat="101", pdf=pdf("a")))["message"].endswith("the order has 1 of 2.")
    assert [ticket.seat for ticket in harness.order().tickets] == ["100", "101"]


@pytest.mark.parametrize("own", ["", "0"])
def test_links_without_a_seat_are_all_stored(harness: WebhookHarness, own: object) -> None:
    harness.submit(quantity=3)
    entries = [{"seat": own, "link": f"https://m.example/{n}"} for n in range(3)]
    assert harness.answer(links(*entries, seat="100"))["order_status"] == "Delivered"
    assert [ticket.url for ticket in harness.order().tickets] == [entry["link"] for entry in entries]


def test_two_links_for_one_seat_are_stored_and_count_once(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    both = links({"seat": "1", "link": "https://m.example/a"}, {"seat": "1", "link": "https://m.example/b"})
    for _ in range(2):
        assert harness.answer(both)["message"].endswith("the order has 1 of 2.")
        both["meta"]["again"] = True
    assert [ticket.url for ticket in harness.order().tickets] == ["https://m.example/a", "https://m.example/b"]


def test_a_file_and_links_in_one_push_are_both_stored(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    push = links({"seat": "100", "link": "https://m.example/a"}, seat="100", pdf=pdf("a"))
    assert harness.answer(push)["message"].endswith("the order has 1 of 2.")
    assert [ticket.kind for ticket in harness.order().tickets] == ["pdf", "link"]


def test_proofs_of_one_push_are_documents_of_the_order_and_one_ticket(harness: WebhookHarness) -> None:
    harness.submit(quantity=3)
    proofs = ["https://p.example/1", "https://p.example/2", "https://p.example/1"]
    harness.answer(upload(seat="100", proof_file_url=proofs, type="order.mobile_ticket_fulfilment"))
    order = harness.order()
    assert [(ticket.url, ticket.covers) for ticket in order.tickets] == [(proofs[0], None)]
    documents = [(document.kind.value, document.url) for document in order.documents]
    assert documents == [("instructions", "https://files.example/letter.pdf"), *(("proof", url) for url in proofs[:2])]
    assert order.status is Status.PARTIAL


@pytest.mark.parametrize("push", [seat(100), general("a"), links({"seat": "", "link": "https://m.example/a"})])
def test_the_same_push_in_another_form_counts_once(harness: WebhookHarness, push: dict[str, Any]) -> None:
    harness.submit(quantity=2)
    for body in (json.dumps(push), json.dumps(push, indent=4), json.dumps(push, sort_keys=True, separators=(",", ":"))):
        assert harness.answer(body.encode())["message"] == "The ticket was accepted; the order has 1 of 2."
    assert len(harness.order().tickets) == 1


def test_a_corrected_file_replaces_only_the_file_of_its_seat(harness: WebhookHarness) -> None:
    harness.submit(quantity=3)
    for push in (seat(1), seat(2), upload(seat="2", pdf=pdf("corrected"))):
        harness.answer(push)
    assert contents(harness) == [pdf("corrected"), pdf("seat 1")]


def test_a_pushed_file_and_the_same_polled_count_once(harness: WebhookHarness) -> None:
    harness.system.submit(
        OrderScript(provider="tixstock", reference="o-1", quantity=2, ready_after=600, partial_after=0)
    )
    harness.answer(seat(100))
    order = harness.system.poll()
    assert (order.status, len(order.tickets)) == (Status.PARTIAL, 1)
    assert harness.answer(seat(101))["order_status"] == "Delivered"
    order = harness.order()
    assert order.status is Status.FULFILLED
    assert [ticket.seat for ticket in order.tickets] == ["100", "101"]


def test_a_second_file_that_is_only_polled_completes_the_order(harness: WebhookHarness) -> None:
    harness.system.submit(
        OrderScript(provider="tixstock", reference="o-1", quantity=2, ready_after=600, partial_after=0)
    )
    harness.answer(seat(100))
    assert harness.system.poll().status is Status.PARTIAL
    harness.system.let_time_pass_for_providers(600)
    order = harness.system.poll()
    assert order.status is Status.FULFILLED
    assert "100" in [ticket.seat for ticket in order.tickets]


def test_a_push_removes_no_ticket_of_a_fulfilled_order(harness: WebhookHarness) -> None:
    harness.submit(quantity=4)
    harness.answer(links(*({"seat": f"{n}", "link": f"https://m.example/{n}"} for n in range(1, 5))))
    assert harness.order().status is Status.FULFILLED
    harness.answer(links({"seat": "TBC", "link": "https://m.example/5"}, row="TBC", seat="TBC"))
    assert [ticket.url for ticket in harness.order().tickets] == [f"https://m.example/{n}" for n in range(1, 6)]


def test_a_push_removes_no_ticket_of_an_order_fulfilled_by_polls(harness: WebhookHarness) -> None:
    harness.system.submit(OrderScript(provider="tixstock", reference="o-1", quantity=4))
    before = harness.system.poll()
    assert (before.status, len(before.tickets)) == (Status.FULFILLED, 4)
    harness.answer(upload(row="TBC", seat="TBC", pdf=pdf("another")))
    assert {ticket.url for ticket in before.tickets} <= {ticket.url for ticket in harness.order().tickets}


def test_pushes_do_not_complete_an_order_with_more_tickets_at_the_provider(harness: WebhookHarness) -> None:
    harness.system.providers.add_orders(
        [OrderScript(provider="tixstock", reference="o-1", quantity=4, ready_after=600)]
    )
    harness.submit(quantity=2)
    harness.system.poll()
    answers = [harness.answer(seat(n))["order_status"] for n in range(1, 5)]
    assert answers == ["Approved"] * 3 + ["Delivered"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda file: [file],
        lambda file: {"file": file},
        lambda file: {"0": file},
        lambda file: [{"url": "data:application/pdf;base64," + file}],
    ],
)
def test_a_file_in_a_list_or_an_object_is_accepted(harness: WebhookHarness, wrap: Any) -> None:
    harness.submit(quantity=1)
    push = seat(100)
    push["data"]["file"] = wrap(push["data"]["file"])
    assert harness.answer(push)["order_status"] == "Delivered"
    assert contents(harness) == [pdf("seat 100")]


def test_several_files_in_one_push_are_all_stored(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    push = seat(100)
    push["data"]["file"] = [push["data"]["file"], seat(101)["data"]["file"]]
    assert harness.answer(push)["order_status"] == "Delivered"
    assert contents(harness) == [pdf("seat 100"), pdf("seat 101")]


def test_the_url_of_a_file_in_a_push_is_stored_and_fetched(harness: WebhookHarness) -> None:
    harness.submit(quantity=1)
    assert harness.answer(upload(file="https://files.example/1.pdf"))["order_status"] == "Delivered"
    (ticket,) = harness.order().tickets
    assert (ticket.kind, ticket.url, ticket.document) == ("pdf", "https://files.example/1.pdf", None)
    assert harness.system.redis.zscore(keys.FETCHES_DUE, "ord-1")


@pytest.mark.parametrize("wrap", [lambda part: [part], lambda part: {"0": part}])
def test_objects_in_lists_of_one_are_read_as_objects(harness: WebhookHarness, wrap: Any) -> None:
    harness.submit(quantity=1)
    push = {"data": [seat(100)["data"]], "meta": [seat(100)["meta"]]}
    push["data"][0]["mobile_links"] = wrap({"seat": "100", "link": "https://m.example/1"})
    assert harness.answer(push)["order_status"] == "Delivered"
    assert [ticket.kind for ticket in harness.order().tickets] == ["pdf", "link"]
