"""Funtrips' orders over real HTTP: pages, single checkouts, nested records and files of the whole order."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from schedules.sweeps import run_sweep
from tests.integration.usecases.conftest import Setup, System
from willcall.orders.decision import decide
from willcall.orders.model import DocumentKind, Order, OrderDocument, Status, Ticket, TicketKind
from willcall.orders.outcomes import Issued
from willcall.orders.ticket_ids import with_ids
from willcall.simulator.script import AccountScript, OrderScript
from willcall.stores import keys
from willcall.usecases.submit import submit

#: Enough that no request of a test waits for a token.
RATE = {"limit": 1_000, "period": 1, "burst": 1_000}
USERS = [("default", "user:fan", "fan"), ("headless", "me", "me")]
users = pytest.mark.parametrize(("account", "reference", "user"), USERS)


def bought(system: System, name: str, user: str, account: str = "default", **fields: Any) -> None:
    """The user has an order at the provider."""
    script = {"provider": "funtrips", "account": account, "reference": name, "external_user_id": user, **fields}
    system.providers.add_orders([OrderScript.model_validate(script)])


def submit_list(system: System, reference: str, account: str = "default", **fields: Any) -> None:
    payload = {"id": "ord-1", "provider": "funtrips", "account": account, "reference": reference, **fields}
    submit(system.context, payload)


def requests(system: System) -> list[str | None]:
    """The references of all status requests so far."""
    return [entry["reference"] for entry in system.providers.ledger() if entry["kind"] == "status"]


def stored(order: Order) -> bool:
    return all(ticket.document for ticket in order.tickets)


@users
@pytest.mark.parametrize("form", ["flat", "nested"])
def test_a_list_is_read_page_by_page_and_its_order_looked_up(
    make_system: Setup, account: str, reference: str, user: str, form: str
) -> None:
    h = make_system(rate=RATE)
    for number in range(7):
        bought(h, f"old-{number}", user, account, issued_ago=60.0 * number, page_size=3, record_form=form)
    bought(h, "new", user, account, quantity=2, issued_ago=3_600, page_size=3, record_form=form)
    submit_list(h, reference, account, quantity=2)
    order = h.poll()
    assert order.status is Status.FULFILLED
    assert len(order.tickets) == 2
    assert stored(order)
    assert requests(h) == [reference, reference, reference, "new"]
    assert not any(entry["too_early_by"] for entry in h.providers.ledger())


@users
def test_pages_from_before_the_purchase_are_not_read(
    make_system: Setup, account: str, reference: str, user: str
) -> None:
    h = make_system(rate=RATE)
    for number in range(9):
        bought(h, f"old-{number}", user, account, issued_ago=86_400.0 * (30 + number), page_size=2)
    bought(h, "new", user, account, page_size=2)
    submit_list(h, reference, account, quantity=1)
    assert h.poll().status is Status.FULFILLED
    assert requests(h) == [reference, reference, "new"]


def test_a_nested_record_is_read_in_full(make_system: Setup) -> None:
    h = make_system(rate=RATE)
    fields = {"record_form": "nested", "codes_per_ticket": 2, "record_pdf": True, "quantity": 2}
    h.submit(OrderScript.model_validate({"provider": "funtrips", "reference": "chk-1", **fields}))
    order = h.poll()
    assert order.status is Status.FULFILLED
    assert len({ticket.code for ticket in order.tickets}) == 4
    assert len({ticket.entrance_id for ticket in order.tickets}) == 2
    assert {ticket.code_format for ticket in order.tickets} == {"QR"}
    [ticket, *_] = order.tickets
    assert ticket.valid_from
    assert ticket.valid_until
    assert ticket.event
    assert (ticket.event.title, ticket.event.venue, ticket.event.city) == ("Canal cruise", "Pier 3", "Amsterdam")
    assert ticket.holder is None
    assert "Ada" not in str(order.tickets)
    [document] = order.documents
    assert (document.kind, document.content_type) == (DocumentKind.TICKETS, "application/pdf")
    assert document.document


def test_an_account_can_keep_the_holder(make_system: Setup) -> None:
    h = make_system(rate=RATE, keep_holder=True)
    h.submit(OrderScript.model_validate({"provider": "funtrips", "reference": "chk-1", "record_form": "nested"}))
    [ticket] = h.poll().tickets
    assert ticket.holder == {"customer": {"first_name": "Ada", "email": "ada@example.com"}}


def test_tickets_that_cannot_be_delivered_yet_are_awaited(make_system: Setup) -> None:
    h = make_system(rate=RATE)
    h.submit(OrderScript.model_validate({"provider": "funtrips", "reference": "chk-1", "deliverable_after": 60}))
    assert h.poll().status is Status.PENDING
    h.let_time_pass_for_providers(60)
    assert h.poll().status is Status.FULFILLED


@pytest.mark.parametrize("status", [409, 503])
def test_a_look_up_that_fails_is_repeated_after_its_hint(make_system: Setup, status: int) -> None:
    h = make_system(rate=RATE)
    bought(h, "new", "fan", answers=[{"do": "status", "status": status, "retry_after": 7}])
    submit_list(h, "user:fan", quantity=1)
    order = h.poll()
    assert (order.status, len(order.tickets)) == (Status.PARTIAL, 1)
    assert order.next_poll_at is not None
    assert order.last_poll_at is not None
    assert order.next_poll_at >= order.last_poll_at + 7
    h.let_time_pass_for_providers(7)
    order = h.poll()
    assert order.status is Status.FULFILLED
    assert stored(order)


def test_an_order_whose_files_are_never_shown_is_issued_with_its_codes(make_system: Setup) -> None:
    h = make_system(rate=RATE)
    bought(h, "new", "fan", answers=[{"do": "status", "status": 500, "times": None}])
    submit_list(h, "user:fan", quantity=1)
    assert h.poll().status is Status.PARTIAL
    order = h.poll()
    assert order.status is Status.FULFILLED
    assert order.tickets[0].code


def test_what_the_release_before_stored_of_an_order_stays(make_system: Setup) -> None:
    """It stored the PDF of a record as a ticket beside the codes; a list names no files."""
    h = make_system(rate=RATE)
    h.submit(OrderScript.model_validate({"provider": "funtrips", "reference": "chk-1", "quantity": 2}))
    now = h.poll()
    pdf = Ticket(TicketKind.PDF, url="https://files.example/all.pdf?s=1", document="document-of-0.2.0")
    old = replace(now, tickets=with_ids((*now.tickets, pdf)))
    codes = tuple(Ticket(TicketKind.BARCODE, code=ticket.code) for ticket in now.tickets)
    files = (OrderDocument(DocumentKind.TICKETS, url="https://files.example/all.pdf?s=2"),)
    policy = h.context.accounts["funtrips/default"].polling
    again = decide(old, Issued(codes, documents=files), policy, now.submitted_at + 60, Random(1)).order
    assert {(ticket.id, ticket.document) for ticket in again.tickets} == {(one.id, one.document) for one in old.tickets}
    assert len(again.documents) == 1


# Reconciliation


def list_requests(system: System) -> list[dict[str, Any]]:
    return [entry for entry in system.providers.ledger() if entry["kind"] == "list" and entry["provider"] == "funtrips"]


def test_without_a_time_window_nothing_is_listed(make_system: Setup) -> None:
    h = make_system(scripts=[AccountScript(provider="funtrips")], own={"since_parameter": "", "until_parameter": ""})
    assert run_sweep(h.context, "reconcile") == {"late_checks": 0, "differing": 0}
    assert list_requests(h) == []


def test_a_time_window_is_listed(make_system: Setup) -> None:
    h = make_system()
    run_sweep(h.context, "reconcile")
    assert [entry["status"] for entry in list_requests(h)] == [200]


@pytest.mark.parametrize("status", [202, 429, 503])
def test_a_list_keeps_to_its_retry_after(make_system: Setup, status: int) -> None:
    fault = {"do": "status", "status": status, "retry_after": 30}
    h = make_system(scripts=[AccountScript.model_validate({"provider": "funtrips", "list_answers": [fault]})])
    for _ in range(2):
        run_sweep(h.context, "reconcile")
    assert [entry["status"] for entry in list_requests(h)] == [status]


def test_all_pages_of_a_time_window_are_compared(make_system: Setup) -> None:
    h = make_system(rate=RATE)
    for number in range(3):
        bought(h, f"other-{number}", "fan", page_size=2)
    h.submit(
        OrderScript.model_validate({"provider": "funtrips", "reference": "z", "cancel_after": 0, "issued_ago": 60})
    )
    h.redis.hset(keys.order("ord-1"), mapping={"status": "fulfilled", "ask": 0})
    assert run_sweep(h.context, "reconcile") == {"late_checks": 0, "differing": 1}
    assert [entry["status"] for entry in list_requests(h)] == [200, 200]
