"""Tixstock's webhooks over real HTTP: what becomes of orders, and what is answered."""

import json
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from redis.exceptions import ConnectionError as GoneError

from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup
from tests.integration.webhooks.conftest import OpenWebhooks, WebhookHarness, general, pdf, seat, stored, upload
from willcall.orders.model import Attention, Status
from willcall.providers.tixstock.pushes import AnswerWords
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.usecases.accounts import pause, resume
from willcall.usecases.complete import NewTickets, complete_order
from willcall.usecases.erase import erase_order
from willcall.usecases.orders import cancel_order
from willcall.usecases.settle import settle_expired
from willcall.usecases.submit import submit_many

PAPER = {
    "data": {
        "order_id": "o-1",
        "id": "01hgza5v9wybqtx7qsfsecp9ca",
        "paper_ticket_details": {"shipping_tracking_id": "4433221155WER", "delivery_partner_name": "DHL"},
    },
    "meta": {"type": "order.paper_ticket_fulfilment"},
}


def update(status: str, reference: str = "o-1", **fields: Any) -> dict[str, Any]:
    data = {"id": reference, "status": status, "items": [], "quantity": 2, **fields}
    return {"data": data, "meta": {"type": "order.update"}}


def links(*seats: str, **fields: Any) -> dict[str, Any]:
    entries = [{"seat": seat, "link": f"https://m.example/{seat}"} for seat in seats]
    return upload(type="order.mobile_link_ticket_fulfilment", mobile_links=entries, **fields)


@pytest.mark.parametrize("kind", ["order.eticket_fulfilment", "order.mobile_ticket_fulfilment"])
def test_an_order_is_complete_when_every_seat_has_its_ticket(harness: WebhookHarness, kind: str) -> None:
    harness.submit(quantity=2)
    assert harness.answer(seat(100, type=kind)) == {
        "external_id": "o-1",
        "order_status": "Approved",
        "message": "The ticket was accepted; the order has 1 of 2.",
        "success": True,
    }
    assert harness.order().status is Status.PARTIAL
    assert harness.answer(seat(101, type=kind)) == {
        "external_id": "o-1",
        "order_status": "Delivered",
        "message": "Listing has been fulfilled for the order.",
        "success": True,
    }
    order = harness.order()
    assert (order.status, order.next_poll_at) == (Status.FULFILLED, None)
    assert [(ticket.kind, ticket.row, ticket.seat) for ticket in order.tickets] == [
        ("pdf", "V", "100"),
        ("pdf", "V", "101"),
    ]
    assert [harness.system.context.documents.read(ticket.document or "") for ticket in order.tickets] == [
        pdf("seat 100"),
        pdf("seat 101"),
    ]
    assert harness.system.events() == ["order.partial", "order.fulfilled"]


def test_general_admission_is_counted_by_content(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    assert harness.answer(general("a"))["order_status"] == "Approved"
    assert harness.answer(general("a", id=15454542))["order_status"] == "Approved"
    assert harness.answer(general("b"))["order_status"] == "Delivered"
    assert len(harness.order().tickets) == 2


def test_mobile_links_are_counted_by_seat(harness: WebhookHarness) -> None:
    harness.submit(quantity=3)
    assert harness.answer(links("1", "2"))["order_status"] == "Approved"
    assert harness.answer(links("2"))["order_status"] == "Approved"
    assert harness.answer(links("3"))["order_status"] == "Delivered"
    assert [ticket.url for ticket in harness.order().tickets] == [f"https://m.example/{n}" for n in (1, 2, 3)]


def test_a_parcel_completes_an_order(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    assert harness.answer(PAPER) == {
        "external_id": "o-1",
        "order_status": "Shipped",
        "message": "Order has been fulfilled.",
        "success": True,
    }
    (ticket,) = harness.order().tickets
    assert (ticket.kind, ticket.code, ticket.extra["delivery_partner_name"]) == ("shipment", "4433221155WER", "DHL")
    assert harness.order().status is Status.FULFILLED


def test_a_repeated_push_changes_nothing_and_reports_the_present_progress(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    first, second = seat(100), seat(101)
    assert harness.answer(first) == harness.answer(first)
    complete = harness.answer(second)
    assert complete["order_status"] == "Delivered"
    before = (harness.order(), harness.system.outcomes(), harness.system.events())
    assert [harness.answer(first), harness.answer(second)] == [complete, complete]
    assert (harness.order(), harness.system.outcomes(), harness.system.events()) == before


def test_a_repeated_push_counts_tickets_received_since(harness: WebhookHarness) -> None:
    harness.submit(quantity=3)
    harness.answer(seat(1))
    harness.answer(seat(2))
    assert harness.answer(seat(1))["message"] == "The ticket was accepted; the order has 2 of 3."


@pytest.mark.parametrize("push", [seat(100), PAPER, update("Approved")])
def test_a_repeated_push_does_not_reopen_an_order_that_tixstock_cancelled(
    harness: WebhookHarness, push: dict[str, Any]
) -> None:
    harness.submit(quantity=2)
    harness.answer(push)
    harness.answer(update("Refunded"))
    answer = harness.answer(push)
    assert (answer["success"], answer["order_status"]) == (True, "Refunded")
    assert answer["message"] == "The order is cancelled."
    assert harness.order().status is Status.CANCELLED


def test_a_repeated_push_for_an_order_cancelled_by_its_caller_is_rejected(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    harness.answer(seat(1))
    cancel_order(harness.system.context, "ord-1", ANNA)
    answer = harness.answer(seat(1))
    assert (answer["success"], answer["order_status"]) == (True, "Accepted")


@pytest.mark.parametrize("ahead", [True, False])
def test_a_repeated_push_does_not_undo_a_correction_made_since(harness: WebhookHarness, *, ahead: bool) -> None:
    pushes = [seat(1), upload(seat="1", pdf=pdf("corrected"))]
    if not ahead:
        harness.submit(quantity=1)
    for push in pushes:
        harness.answer(push)
    if ahead:
        harness.submit(quantity=1)
    assert harness.answer(seat(1))["order_status"] == "Delivered"
    (ticket,) = harness.order().tickets
    assert harness.system.context.documents.read(ticket.document or "") == pdf("corrected")


def test_a_push_for_an_earlier_order_applies_to_a_later_one_with_its_reference(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    harness.answer(seat(1))
    cancel_order(harness.system.context, "ord-1", ANNA)
    harness.submit(quantity=2, id="ord-2")
    assert harness.answer(seat(1))["message"] == "The ticket was accepted; the order has 1 of 2."
    assert harness.system.order("ord-2").status is Status.PARTIAL


def test_an_invalid_push_is_evaluated_again_when_it_is_repeated(harness: WebhookHarness) -> None:
    harness.submit(quantity=1)
    assert harness.answer(upload(file="%%%"))["success"] is False
    assert harness.answer(upload(file="%%%"))["success"] is False
    assert harness.answer(seat(1))["order_status"] == "Delivered"


def in_lines(document: dict[str, Any]) -> dict[str, Any]:
    file = document["data"]["file"]
    return upload(**document["data"] | {"file": "\r\n".join(file[n : n + 64] for n in range(0, len(file), 64))})


@pytest.mark.parametrize(
    "otherwise",
    [
        lambda one: json.dumps(one, indent=4).encode(),
        lambda one: json.dumps(one, sort_keys=True, ensure_ascii=False).encode("utf-16"),
        lambda one: one | {"data": one["data"] | {"seat": 100, "row": " v ", "general_admission": "false"}},
        lambda one: one | {"data": one["data"] | {"file": "data:application/pdf;base64," + one["data"]["file"]}},
        lambda one: one | {"data": one["data"] | {"file": one["data"]["file"].rstrip("=")}},
        lambda one: one | {"data": one["data"] | {"file": "\n".join(one["data"]["file"])}},
        lambda one: json.dumps(one).replace("}}", ",}}").encode(),
    ],
)
def test_the_same_file_in_another_encoding_is_the_same_ticket(harness: WebhookHarness, otherwise: Any) -> None:
    harness.submit(quantity=2)
    harness.answer(seat(100))
    document = harness.order().tickets[0].document
    assert harness.answer(otherwise(seat(100)))["order_status"] == "Approved"
    assert [ticket.document for ticket in harness.order().tickets] == [document]
    # A row that is written otherwise is another one for a backend.
    assert set(harness.system.events()) <= {"order.partial", "order.updated"}


def test_a_corrected_file_for_a_seat_replaces_the_first(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    harness.answer(seat(100))
    harness.answer(upload(seat="100", pdf=pdf("corrected")))
    (ticket,) = harness.order().tickets
    assert harness.system.context.documents.read(ticket.document or "") == pdf("corrected")
    assert harness.system.events() == ["order.partial", "order.updated"]


@pytest.mark.parametrize("sequence", list(permutations(range(3))))
def test_pushes_arrive_in_any_sequence(harness: WebhookHarness, sequence: tuple[int, ...]) -> None:
    pushes = [seat(1), seat(2), seat(3)]
    harness.submit(quantity=3)
    assert [harness.answer(pushes[n])["order_status"] for n in sequence] == ["Approved", "Approved", "Delivered"]
    assert harness.order().status is Status.FULFILLED


def test_without_a_quantity_the_provider_is_polled_at_once(harness: WebhookHarness) -> None:
    harness.system.providers.add_orders(
        [OrderScript(provider="tixstock", reference="o-1", quantity=1, ready_after=600)]
    )
    harness.submit(quantity=None)
    harness.system.poll()
    assert harness.answer(seat(100))["order_status"] == "Approved"
    assert harness.order().status is Status.PARTIAL
    assert harness.system.outbox.messages[-1].due <= harness.system.context.stores.accounts.now()
    assert harness.system.poll().status is Status.FULFILLED
    assert harness.order().tickets[0].document is not None


def test_an_early_push_is_stored_and_applied_on_submit(harness: WebhookHarness) -> None:
    for push in (seat(101), seat(100), seat(100)):
        assert harness.answer(push)["success"] is True
    assert len(list(harness.system.context.stores.inbox.list_all())) == 2
    harness.submit(quantity=2)
    order = harness.order()
    assert order.status is Status.FULFILLED
    assert {harness.system.context.documents.get(ticket.document or "").owner for ticket in order.tickets} == {"ord-1"}  # type: ignore[union-attr]
    assert list(harness.system.context.stores.inbox.list_all()) == []
    assert harness.system.redis.zcard(keys.INBOX) == 0
    assert harness.system.events() == ["order.partial", "order.fulfilled"]
    assert harness.answer(seat(101))["order_status"] == "Delivered"
    assert harness.order() == order


def test_many_orders_submitted_at_once_get_their_early_pushes(harness: WebhookHarness) -> None:
    harness.answer(seat(1, reference="o-1"))
    harness.answer(seat(1, reference="o-3"))
    orders = [{"id": f"m-{n}", "provider": "tixstock", "reference": f"o-{n}", "quantity": 1} for n in range(5)]
    submit_many(harness.system.context, orders)
    stored = harness.system.context.stores.orders.get_many([f"m-{n}" for n in range(5)])
    assert [order.status.value for order in stored if order] == [
        "pending",
        "fulfilled",
        "pending",
        "fulfilled",
        "pending",
    ]


def test_an_early_cancellation_is_applied_too(harness: WebhookHarness) -> None:
    assert harness.answer(update("Cancelled"))["success"] is True
    harness.submit()
    assert harness.order().status is Status.CANCELLED


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("Rejected", Status.FAILED, "the order was rejected"),
        ("Cancelled", Status.CANCELLED, "the order was cancelled or refunded"),
        ("refunded / Cancelled", Status.CANCELLED, "the order was cancelled or refunded"),
    ],
)
def test_a_final_status_word_is_applied(harness: WebhookHarness, word: str, status: Status, reason: str) -> None:
    harness.submit()
    answer = harness.answer(update(word))
    assert (answer["success"], answer["order_status"], answer["external_id"]) == (True, word, "o-1")
    order = harness.order()
    assert (order.status, order.reason, order.provider_status, order.next_poll_at) == (status, reason, word, None)
    assert harness.system.events() == [f"order.{status}"]


def test_a_fulfilled_order_can_be_cancelled_later(harness: WebhookHarness) -> None:
    harness.submit(quantity=1)
    harness.answer(seat(1))
    harness.answer(update("Refunded"))
    assert harness.order().status is Status.CANCELLED
    assert harness.system.events() == ["order.fulfilled", "order.cancelled"]


def test_an_expired_order_can_still_be_fulfilled(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    harness.system.redis.hset(keys.order("ord-1"), mapping={"deadline": 1, "ask": 0})
    assert harness.system.poll().status is Status.EXPIRED
    assert harness.answer(seat(1))["order_status"] == "Approved"
    assert harness.order().status is Status.EXPIRED
    assert harness.system.redis.zscore(keys.LATE, "ord-1")
    assert harness.answer(seat(2))["order_status"] == "Delivered"
    assert harness.order().status is Status.FULFILLED
    assert harness.system.events() == ["order.expired", "order.updated", "order.fulfilled"]


def test_a_ticket_for_a_cancelled_order_is_rejected(harness: WebhookHarness) -> None:
    harness.submit()
    cancel_order(harness.system.context, "ord-1", ANNA)
    answer = harness.answer(seat(1))
    assert (answer["success"], answer["order_status"]) == (False, "Accepted")
    assert answer["message"] == "Listing failed to be fulfilled for the order: the order is cancelled."
    assert (harness.order().status, harness.order().tickets) == (Status.CANCELLED, ())


def test_an_update_with_a_tracking_id_is_a_parcel(harness: WebhookHarness) -> None:
    harness.submit()
    assert harness.answer(update("Approved", shipping_tracking_id="T-1"))["order_status"] == "Approved"
    assert harness.order().status is Status.FULFILLED


@pytest.mark.parametrize(("word", "answered"), [("Sale on Hold", "Sale on Hold"), ("Commissionable", "Approved")])
def test_any_other_update_expedites_the_order(harness: WebhookHarness, word: str, answered: str) -> None:
    harness.system.submit(OrderScript(provider="tixstock", reference="o-1", quantity=2, ready_after=600))
    harness.system.poll()
    asked = len(harness.system.outbox.messages)
    assert harness.answer(update(word))["order_status"] == answered
    assert len(harness.system.outbox.messages) == asked + 1
    assert harness.system.outbox.messages[-1].due <= harness.system.context.stores.accounts.now()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"file": "this is *not* base64!"}, "the file is not base64"),
        ({"file": b64encode(b"<p>Sorry").decode()}, "the file is an HTML page"),
        ({"file": ""}, "there is neither a file nor a link"),
        ({"file": 12}, "the file is of an unknown type"),
        ({"mobile_links": [{"seat": "1", "link": "javascript:alert(1)"}]}, "there is neither a file nor a link"),
    ],
)
def test_an_invalid_push_is_rejected_and_recorded(harness: WebhookHarness, fields: dict[str, Any], why: str) -> None:
    harness.submit()
    answer = harness.answer(upload(**fields))
    assert answer == {
        "external_id": "o-1",
        "order_status": "Accepted",
        "message": f"Listing failed to be fulfilled for the order: {why}.",
        "success": False,
    }
    order = harness.order()
    assert (order.status, order.tickets, order.attention) == (Status.PENDING, (), Attention.MALFORMED)
    (line,) = harness.system.context.stores.orders.timeline("ord-1")
    assert (line.outcome, line.http_status, line.why) == ("malformed", None, f"order.eticket_fulfilment: {why}")
    assert order.attempts == 0
    assert harness.answer(seat(1))["success"] is True


def test_an_invalid_early_push_is_rejected_and_recorded_with_its_order(harness: WebhookHarness) -> None:
    assert harness.answer(upload(file="%%%"))["success"] is False
    harness.submit()
    assert harness.order().attention is Attention.MALFORMED
    assert harness.system.outcomes() == ["malformed"]


@pytest.mark.parametrize("key", ["", "another-token"])
def test_a_wrong_signature_is_401_and_changes_nothing(harness: WebhookHarness, key: str) -> None:
    harness.submit()
    before = stored(harness.system.redis)
    response = harness.push(seat(1), key or "x")
    assert response.status_code == 401
    assert response.json()["success"] is False
    assert response.json()["message"]
    assert stored(harness.system.redis) == before


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[]", b'{"meta": {"type": "order.eticket_fulfilment"}}', b'{"data": {}}']
)
def test_a_signed_body_without_content_is_rejected(harness: WebhookHarness, body: bytes) -> None:
    answer = harness.answer(body)
    assert (answer["success"], answer["order_status"], answer["external_id"]) == (False, "Accepted", None)


def test_a_push_does_not_move_the_next_poll(harness: WebhookHarness) -> None:
    harness.system.submit(OrderScript(provider="tixstock", reference="o-1", quantity=2, ready_after=600))
    due = harness.system.poll().next_poll_at
    harness.answer(seat(1))
    order, message = harness.order(), harness.system.outbox.messages[-1]
    assert (order.status, order.next_poll_at) == (Status.PARTIAL, due)
    assert (message.seq, message.due) == (order.seq, due)
    account = harness.system.context.accounts["tixstock/default"]
    pause(harness.system.context, account, None, ANNA)
    harness.system.poll()
    harness.answer(seat(1, additional_file="https://files.example/other.pdf"))
    assert harness.order().next_poll_at is None
    assert resume(harness.system.context, account, ANNA).released == 1
    assert harness.system.poll().status is Status.PARTIAL


def test_a_poll_in_flight_neither_undoes_a_push_nor_loses_its_response(
    harness: WebhookHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = {"do": "status", "status": 503, "retry_after": 700}
    script = {"provider": "tixstock", "reference": "o-1", "quantity": 2, "answers": [fault]}
    harness.system.submit(OrderScript.model_validate(script))
    exchange = harness.system.context.http.exchange

    def push_first(*arguments: Any) -> Any:
        harness.answer(seat(1))
        return exchange(*arguments)

    monkeypatch.setattr(harness.system.context.http, "exchange", push_first)
    order = harness.system.poll()
    assert (order.status, len(order.tickets), order.attempts) == (Status.PARTIAL, 1, 1)
    assert order.hint_until is not None
    assert order.hint_until > harness.system.context.stores.accounts.now() + 500
    assert harness.system.outcomes() == ["partly_issued", "unavailable"]
    assert harness.system.outbox.messages[-1].seq == order.seq


def test_a_poll_in_flight_that_says_cancelled_counts_after_the_last_ticket(
    harness: WebhookHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.system.submit(OrderScript(provider="tixstock", reference="o-1", quantity=1, ends="cancelled"))
    exchange = harness.system.context.http.exchange

    def push_first(*arguments: Any) -> Any:
        harness.answer(seat(1))
        return exchange(*arguments)

    monkeypatch.setattr(harness.system.context.http, "exchange", push_first)
    assert harness.system.poll().status is Status.CANCELLED
    assert harness.system.events() == ["order.fulfilled", "order.cancelled"]


def test_a_poll_does_not_remove_pushed_tickets(harness: WebhookHarness) -> None:
    harness.system.submit(
        OrderScript(provider="tixstock", reference="o-1", quantity=2, ready_after=600, partial_after=0)
    )
    harness.answer(seat(101))
    order = harness.system.poll()
    assert order.status is Status.PARTIAL
    assert [(ticket.seat, bool(ticket.extra.get("pushed"))) for ticket in order.tickets] == [("101", True)]


def test_while_redis_is_unreachable_the_provider_is_asked_to_retry(
    harness: WebhookHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> None:
        raise GoneError

    harness.submit()
    with monkeypatch.context() as away:
        away.setattr(harness.system.context.stores.orders, "find_by_reference", gone)
        response = harness.push(seat(1))
    assert (response.status_code, response.headers["retry-after"]) == (503, "30")
    assert harness.order().status is Status.PENDING
    assert harness.answer(seat(1))["success"] is True


def test_while_files_cannot_be_written_nothing_is_stored_partly(
    harness: WebhookHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.submit()
    with monkeypatch.context() as away:
        away.setattr(harness.system.context.documents._files, "_root", "/proc/nowhere")  # noqa: SLF001
        assert harness.push(seat(1)).status_code == 503
    assert (harness.order().status, harness.system.outcomes()) == (Status.PENDING, [])
    assert harness.answer(seat(1))["success"] is True


def test_a_sweep_applies_pushes_if_the_process_died_after_submit(
    harness: WebhookHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.answer(seat(1))
    assert run_sweep(harness.system.context, "inbox") == {"applied": 0, "submitted": 0}
    with monkeypatch.context() as dies:
        dies.setattr("willcall.usecases.submit.apply_inbox", lambda *_: 0)
        harness.submit(quantity=1)
    assert harness.order().status is Status.PENDING
    assert run_sweep(harness.system.context, "inbox") == {"applied": 1, "submitted": 0}
    assert harness.order().status is Status.FULFILLED
    assert run_sweep(harness.system.context, "inbox") == {"applied": 0, "submitted": 0}


def test_interrupted_pushes_can_be_applied_again(harness: WebhookHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.answer(seat(1))
    with monkeypatch.context() as dies:
        dies.setattr(harness.system.context.stores.inbox, "remove_pushes", lambda _: None)
        harness.submit(quantity=2)
    order = harness.order()
    assert run_sweep(harness.system.context, "inbox") == {"applied": 1, "submitted": 0}
    assert harness.order() == order
    assert harness.system.events() == ["order.partial"]


def test_simultaneous_pushes_are_all_counted(harness: WebhookHarness) -> None:
    harness.submit(quantity=8)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(harness.answer, [seat(n // 2) for n in range(16)]))
    assert all(answer["success"] for answer in answers)
    assert harness.order().status is Status.FULFILLED
    assert sorted(ticket.seat or "" for ticket in harness.order().tickets) == [str(n) for n in range(8)]
    events = harness.system.events()
    assert (events[0], events[1:-1], events[-1]) == ("order.partial", ["order.updated"] * 6, "order.fulfilled")


def test_the_response_has_the_words_of_the_account(make_system: Setup, open_webhooks: OpenWebhooks) -> None:
    made = make_system(callbacks=True)
    account = made.context.accounts["tixstock/default"]
    words = AnswerWords(partial="Pending Review", complete="Commissionable", paper="Sent", failed="Rejected")
    given = replace(account, credentials=account.credentials.model_copy(update={"answers": words}))
    accounts = {**made.context.accounts, account.key: given}
    harness = WebhookHarness(made, open_webhooks(replace(made.context, accounts=accounts)))
    harness.submit(quantity=2)
    sent = [seat(1), upload(file="?"), seat(2), PAPER]
    assert [harness.answer(push)["order_status"] for push in sent] == [
        "Pending Review",
        "Rejected",
        "Commissionable",
        "Sent",
    ]


@pytest.mark.parametrize("name", ["partial", "failed"])
def test_the_word_that_causes_an_invoice_is_not_sent_while_tickets_are_missing(name: str) -> None:
    with pytest.raises(ValueError, match="invoice"):
        AnswerWords(**{name: "commissionable "})


def test_a_file_of_20_mb_is_accepted(harness: WebhookHarness) -> None:
    content = pdf("large", size=20_000_000 - 40)
    harness.submit(quantity=1)
    assert harness.answer(upload(pdf=content))["order_status"] == "Delivered"
    assert harness.system.context.documents.read(harness.order().tickets[0].document or "") == content
    assert max(len(harness.system.redis.dump(name) or b"") for name in harness.system.redis.scan_iter()) < 10_000


@pytest.mark.parametrize("part", [b"[],", b"{},", b"1,", b"[1,,],"])
def test_invalid_signed_json_is_rejected_before_it_is_parsed(
    harness: WebhookHarness, part: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: Any) -> None:
        pytest.fail("it was read")

    monkeypatch.setattr("willcall.providers.tixstock.pushes.read_lenient_object", read)
    answer = harness.answer(b"[" + part * 300_000 + b"0]")
    assert (answer["success"], answer["external_id"]) == (False, None)
    assert "more than the tickets of an order" in answer["message"]


def complete_by_hand(harness: WebhookHarness) -> None:
    complete_order(harness.system.context, "ord-1", NewTickets(codes=["A"]), ANNA)


def expire(harness: WebhookHarness) -> None:
    context = harness.system.context
    assert settle_expired(context, harness.order(), context.stores.accounts.now())


def complete_by_poll(harness: WebhookHarness) -> None:
    harness.system.providers.add_orders([OrderScript(provider="tixstock", reference="o-1", quantity=2)])
    assert harness.system.poll().status is Status.FULFILLED


@pytest.mark.parametrize("repeated", [True, False])
@pytest.mark.parametrize(
    ("end", "word"), [(complete_by_hand, "Delivered"), (complete_by_poll, "Delivered"), (expire, "Approved")]
)
def test_a_push_after_the_end_is_answered_from_how_the_order_is_now(
    harness: WebhookHarness, end: Callable[[WebhookHarness], None], word: str, *, repeated: bool
) -> None:
    harness.submit(quantity=3 if end is expire else 2)
    harness.answer(seat(1))
    end(harness)
    status = harness.order().status
    answer = harness.answer(seat(1) if repeated else seat(2))
    assert (answer["success"], answer["order_status"]) == (True, word)
    assert harness.order().status is status


def test_a_push_for_an_erased_order_is_rejected_also_when_it_is_repeated(harness: WebhookHarness) -> None:
    harness.submit(quantity=1)
    harness.answer(seat(1))
    erase_order(harness.system.context, "ord-1", ANNA)
    for push in (seat(1), seat(1), seat(2)):
        answer = harness.answer(push)
        assert (answer["success"], answer["order_status"]) == (False, "Accepted")


def test_an_update_that_is_repeated_after_the_end_does_not_undo_it_at_tixstock(harness: WebhookHarness) -> None:
    harness.submit(quantity=1)
    harness.answer(update("Approved"))
    harness.answer(update("Refunded"))
    assert harness.answer(update("Approved"))["order_status"] == "Refunded"


@pytest.mark.parametrize(
    ("status", "word"), [("Approved", "Pending Review"), ("Refunded", "Refunded"), ("A new word", "Pending Review")]
)
def test_an_applied_update_has_the_word_of_the_account(
    make_system: Setup, open_webhooks: OpenWebhooks, status: str, word: str
) -> None:
    made = make_system(callbacks=True)
    account = made.context.accounts["tixstock/default"]
    words = AnswerWords(update="Pending Review")
    given = replace(account, credentials=account.credentials.model_copy(update={"answers": words}))
    accounts = {**made.context.accounts, account.key: given}
    harness = WebhookHarness(made, open_webhooks(replace(made.context, accounts=accounts)))
    harness.submit(quantity=2)
    assert harness.answer(update(status))["order_status"] == word


def test_an_unknown_word_of_an_update_is_repeated(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    assert harness.answer(update("A new word"))["order_status"] == "A new word"


def test_tickets_of_a_listing_are_acknowledged_and_belong_to_no_order(harness: WebhookHarness) -> None:
    harness.submit(quantity=1)
    push = {"data": {"id": "o-1", "file": b64encode(pdf()).decode()}, "meta": {"type": "ticket.fulfillment"}}
    answer = harness.answer(push)
    assert (answer["success"], answer["external_id"]) == (True, None)
    assert harness.order().tickets == ()
