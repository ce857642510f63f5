"""Tickets that become void, and lists that lack some: what becomes of an order's tickets."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup
from willcall.orders.model import Status
from willcall.simulator.script import OrderScript
from willcall.usecases.orders import request_poll


def test_a_transferred_ticket_is_shown_as_void_and_the_others_complete_the_order(make_system: Setup) -> None:
    made = make_system()
    made.submit(OrderScript(provider="paylogic", reference="1", quantity=3, transferred=1))
    order = made.poll()
    assert order.status is Status.FULFILLED
    shown = {ticket.extra["ticket"]: ticket.status.value for ticket in order.tickets}
    assert sorted(shown.values()) == ["valid", "valid", "void"]
    assert [ticket.url for ticket in order.tickets if ticket.status.value == "void"] == [None]
    assert all(ticket.document for ticket in order.tickets if ticket.kind == "pdf")


def test_an_order_whose_tickets_are_all_void_waits(make_system: Setup) -> None:
    made = make_system()
    made.submit(OrderScript(provider="paylogic", reference="1", quantity=2, transferred=2))
    order = made.poll()
    assert (order.status, made.outcomes()) == (Status.PENDING, ["not_ready"])
    assert [ticket.status.value for ticket in order.tickets] == ["void", "void"]
    assert "void" in made.context.stores.orders.timeline("ord-1")[0].why


def test_a_download_link_alone_fulfils_nothing(make_system: Setup) -> None:
    made = make_system()
    made.submit(OrderScript(provider="paylogic", reference="1", quantity=2, only_a_download=True))
    assert (made.poll().status, made.outcomes()) == (Status.PENDING, ["not_ready"])


def test_a_combo_ticket_is_one_admission(make_system: Setup) -> None:
    made = make_system()
    made.submit(OrderScript(provider="paylogic", reference="1", quantity=3, combo=True), quantity=1)
    assert made.poll().status is Status.FULFILLED


def test_a_fulfilled_order_keeps_tickets_that_a_later_list_lacks(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_system()
    made.submit(OrderScript(provider="paylogic", reference="1", quantity=3))
    before = made.poll()
    exchange = made.context.http.exchange

    def one_void_one_left_out(*arguments: Any) -> Any:
        answer = exchange(*arguments)
        order = json.loads(answer.body)
        tickets = order["_embedded"]["shop:ticket"]
        order["_embedded"]["shop:ticket"] = [tickets[0] | {"status": "transferred"}, tickets[1]]
        return replace(answer, body=json.dumps(order).encode())

    monkeypatch.setattr(made.context.http, "exchange", one_void_one_left_out)
    request_poll(made.context, "ord-1", ANNA)
    after = made.poll()
    assert after.status is Status.FULFILLED
    status = {ticket.extra["ticket"]: ticket.status.value for ticket in after.tickets}
    assert status.keys() == {ticket.extra["ticket"] for ticket in before.tickets}
    assert sorted(status.values()) == ["valid", "valid", "void"]
