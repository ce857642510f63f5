"""After an erasure, nothing of an order is left in Redis, in the documents and in the feed, whatever was under way."""

import json
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schedules.sweeps import run_sweep
from tests.integration.usecases.conftest import Setup, System
from tests.integration.webhooks.conftest import OpenWebhooks, WebhookHarness, pdf, upload
from tests.stored import traces
from willcall.http.messages import Request, Response
from willcall.orders.errors import ClosedOrderError, ErasedOrderError
from willcall.orders.history import Actor
from willcall.orders.model import Status
from willcall.providers.base import Account
from willcall.simulator.script import OrderScript
from willcall.stores import documents as document_module
from willcall.stores import keys
from willcall.stores.dead_letters import DeadLetterReason
from willcall.stores.deliveries import DeliveryMessage
from willcall.stores.file_storage import StorageError
from willcall.stores.schedule import Requester
from willcall.stores.sweeps import ItemFailures
from willcall.usecases.documents import fetch_documents
from willcall.usecases.downloads import DownloadResult
from willcall.usecases.erase import erase_order, finish_erasure
from willcall.usecases.notify import notify_once, redeliver
from willcall.usecases.orders import cancel_order, expedite_poll, request_poll
from willcall.usecases.settle import settle_expired
from willcall.usecases.submit import submit

ANNA = Actor("operator anna")
#: Everything that stands in an order, its tickets and its address.
MARKS = (
    "marked-reference",
    "marked-name",
    "marked-callback",
    "marked-seat",
    "marked-file",
    "marked-letter",
    "marked-group",
)
CALLBACK = "https://backend.example/marked-callback"


def mine(order_id: str = "ord-1", **fields: Any) -> dict[str, Any]:
    return {
        "id": order_id,
        "provider": "tixstock",
        "reference": "marked-reference",
        "metadata": {"name": "marked-name"},
        "callback_url": CALLBACK,
        "group": "marked-group",
        **fields,
    }


def push(name: str) -> dict[str, Any]:
    document = upload("marked-reference", seat=f"marked-seat {name}", pdf=pdf(f"marked-file {name}"))
    document["data"]["additional_file"] = "https://files.example/marked-letter"
    return document


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "documents"


@pytest.fixture
def harness(make_system: Setup, open_webhooks: OpenWebhooks) -> WebhookHarness:
    made = make_system(callbacks=True)
    return WebhookHarness(made, open_webhooks(made.context))


@pytest.fixture
def system(harness: WebhookHarness) -> System:
    return harness.system


def fulfil(harness: WebhookHarness, quantity: int = 2, **fields: Any) -> None:
    """Fulfil the order by pushes, the first of which comes before it is submitted."""
    harness.push(push("1"))
    submit(harness.system.context, mine(quantity=quantity, **fields))
    for number in range(2, quantity + 1):
        harness.push(push(str(number)))
    assert harness.order().status is Status.FULFILLED


def leave_traces(system: System) -> None:
    """Mention the order wherever else Willcall may: alerts, dead letters, failures of sweeps."""
    stores, redis = system.context.stores, system.redis
    body = b64encode(json.dumps([[], mine(), {}]).encode()).decode()
    for raw in (
        {"body": body, "headers": {"id": "t-1"}, "properties": {"body_encoding": "base64"}},
        {"body": json.dumps([[], mine(), {}]), "headers": {"id": "t-1"}, "properties": {}},
    ):
        stores.dead_letters.add("willcall", DeadLetterReason.FAILED, json.dumps(raw).encode())
    truncated = json.dumps({"body": body, "headers": {}, "properties": {}}).encode()
    stores.dead_letters.add(
        "willcall", DeadLetterReason.TOO_LARGE, truncated[: 4 * (len(truncated) // 8)] + b"x" * 20_000
    )
    redis.xadd(
        keys.OPERATOR_EVENTS,
        {"id": "e", "type": "order.attention", "subject": "order:ord-1", "at": 1, "data": json.dumps(mine())},
    )
    stores.sweeps.record_item_failure("reconcile", "tixstock/default marked-reference", ItemFailures(1, 2.0))
    stores.sweeps.record_item_failure("inbox", '["tixstock/default","marked-reference"]', ItemFailures(1, 2.0))
    stores.sweeps.save_position("inbox", '["tixstock/default","marked-reference"]')


def test_nothing_of_an_erased_order_is_left(harness: WebhookHarness, system: System, folder: Path) -> None:
    fulfil(harness)
    submit(system.context, {"id": "ord-2", "provider": "tiqets", "reference": "7654321", "callback_url": CALLBACK[:23]})
    cancel_order(system.context, "ord-2", ANNA)
    leave_traces(system)
    feed = system.context.stores.events.list_after(None, 100)
    timeline = system.context.stores.orders.timeline("ord-1")
    assert set(MARKS) == {mark for mark in MARKS if traces(system.redis, folder, (mark,))}

    erase_order(system.context, "ord-1", ANNA)

    assert traces(system.redis, folder, MARKS) == []
    order = harness.order()
    assert (order.status, order.reference, order.tickets, order.callback_url) == (Status.FULFILLED, "", (), None)
    assert order.erased_at is not None
    *before, last = system.context.stores.orders.timeline("ord-1")
    assert [(one.at, one.outcome, one.why) for one in before] == [(one.at, one.outcome, "") for one in timeline]
    assert (last.outcome, last.why) == ("erased", "operator anna")
    after = system.context.stores.events.list_after(None, 100)
    assert [(event.cursor, event.id, event.type) for event in after] == [
        (event.cursor, event.id, event.type) for event in feed
    ]
    *erased, other = after
    assert {(event.data["status"], event.data["reference"]) for event in erased} <= {("partial", ""), ("fulfilled", "")}
    assert all(event.data["tickets"] == [] for event in erased)
    assert other.data["reference"] == "7654321"
    for number, event in enumerate(feed):
        assert system.context.stores.events.list_after(event.cursor, 1) == after[number + 1 : number + 2]


def test_pushes_polls_and_submissions_of_an_erased_order_are_refused(
    harness: WebhookHarness, system: System, folder: Path
) -> None:
    fulfil(harness)
    erase_order(system.context, "ord-1", ANNA)
    answer = harness.answer(push("3"))
    assert (answer["success"], answer["message"].rpartition(": ")[2]) == (False, "the order was erased.")
    for refused in (request_poll, redeliver, cancel_order):
        with pytest.raises(ErasedOrderError, match="order ord-1 was erased"):
            refused(system.context, "ord-1", ANNA)
    with pytest.raises(ErasedOrderError, match="its id cannot be used again"):
        submit(system.context, mine())
    account = system.context.accounts["tixstock/default"]
    assert expedite_poll(system.context, account, "ord-1", Requester.SWEEP).outcome == "closed"
    assert traces(system.redis, folder, MARKS) == []
    # The customer buys again: the new order gets its pushes.
    submit(system.context, mine("ord-9", quantity=1))
    assert harness.answer(push("3"))["success"] is True
    assert system.order("ord-9").status is Status.FULFILLED
    assert harness.order().erased_at


def test_an_erasure_may_be_repeated_and_open_orders_are_not_erased(harness: WebhookHarness, system: System) -> None:
    submit(system.context, mine())
    with pytest.raises(ClosedOrderError, match="order ord-1 is pending; cancel it before you erase it"):
        erase_order(system.context, "ord-1", ANNA)
    cancel_order(system.context, "ord-1", ANNA)
    erase_order(system.context, "ord-1", ANNA)
    erased = harness.order()
    erase_order(system.context, "ord-1", ANNA)
    assert harness.order() == erased


def test_files_that_cannot_be_removed_now_are_removed_later(
    harness: WebhookHarness, system: System, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fulfil(harness)

    def fail(*_: object) -> None:
        raise StorageError("is full")

    with monkeypatch.context() as patch:
        patch.setattr(document_module.FileStorage, "remove", fail)
        with pytest.raises(StorageError):
            erase_order(system.context, "ord-1", ANNA)
        assert traces(system.redis, folder, ("marked-reference", "marked-name")) == []
    assert traces(system.redis, folder, ("marked-file",))
    system.redis.zadd(keys.ERASED, {"ord-1": 1})
    run_sweep(system.context, "prune")
    assert traces(system.redis, folder, MARKS) == []
    assert not system.redis.exists(keys.ERASED, keys.erased_files("ord-1"))


def test_the_file_of_another_orders_push_stays(harness: WebhookHarness, system: System, folder: Path) -> None:
    same = pdf("marked-file for both")
    harness.push(upload("marked-reference", pdf=same))
    harness.push(upload("other-reference", pdf=same))
    submit(system.context, mine(quantity=1))
    erase_order(system.context, "ord-1", ANNA)
    assert traces(system.redis, folder, ("marked-reference",)) == []
    submit(system.context, mine("ord-2", reference="other-reference", quantity=1))
    (ticket,) = system.order("ord-2").tickets
    assert system.context.documents.read(ticket.document or "") == same


class ErasingProvider:
    """Erases the order while its request is under way."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._http = system.context.http

    def exchange(self, account: Account, request: Request) -> Response | Any:
        answer = self._http.exchange(account, request)
        erase_order(self._system.context, "ord-1", ANNA)
        return answer


def test_an_attempt_under_way_brings_nothing_back(system: System, folder: Path) -> None:
    script = OrderScript.model_validate({"provider": "tiqets", "reference": "7654321"})
    system.submit(script, metadata={"name": "marked-name"})
    fulfilled = system.poll()
    assert fulfilled.status is Status.FULFILLED
    code = next(ticket.url for ticket in fulfilled.tickets if ticket.url)
    assert request_poll(system.context, "ord-1", ANNA).outcome == "sent"
    system = replace(system, context=replace(system.context, http=ErasingProvider(system)))
    assert system.poll().erased_at
    assert system.outbox.messages[-1].seq < system.order().seq
    assert traces(system.redis, folder, ("7654321", "marked-name", code)) == []
    assert list(folder.rglob("*.pdf")) == []


def test_a_file_that_is_being_stored_is_removed(
    harness: WebhookHarness, system: System, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fulfil(harness)
    store = document_module.FileStorage.store

    def erase_first(*arguments: Any) -> None:
        erase_order(system.context, "ord-1", ANNA)
        store(*arguments)

    monkeypatch.setattr(document_module.FileStorage, "store", erase_first)
    with pytest.raises(StorageError, match="the order was erased"):
        system.context.documents.put(pdf("marked-file late"), "ord-1")
    assert traces(system.redis, folder, MARKS) == []
    # A worker that is killed right after it has stored the file.
    monkeypatch.setattr(document_module.FileStorage, "store", store)
    with pytest.raises(StorageError, match="the order was erased"):
        system.context.documents.put(pdf("marked-file later"), "ord-1")
    assert traces(system.redis, folder, MARKS) == []


def test_a_file_of_a_killed_worker_is_removed_by_the_sweep(
    harness: WebhookHarness, system: System, folder: Path
) -> None:
    fulfil(harness)
    (path, *_) = list(folder.rglob("*.pdf"))
    erase_order(system.context, "ord-1", ANNA)
    path.write_bytes(pdf("marked-file"))
    finish_erasure(system.context, "ord-1")
    assert traces(system.redis, folder, MARKS) == []


def test_a_round_of_downloads_under_way_brings_nothing_back(
    system: System, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = OrderScript.model_validate({"provider": "tiqets", "reference": "7654321"})
    system.submit(script)
    with monkeypatch.context() as patch:
        patch.setattr("willcall.usecases.documents.download_missing", _none_downloaded)
        system.poll()
    assert system.redis.zscore(keys.FETCHES_DUE, "ord-1")
    system.redis.zadd(keys.FETCHES_DUE, {"ord-1": 1})
    get = system.context.outbound.get

    def erase_first(*arguments: Any, **options: Any) -> Any:
        with suppress(ErasedOrderError):
            erase_order(system.context, "ord-1", ANNA)
        return get(*arguments, **options)

    monkeypatch.setattr(system.context.outbound, "get", erase_first)
    assert fetch_documents(system.context, "ord-1") is None
    assert system.order().tickets == ()
    assert traces(system.redis, folder, ("7654321",)) == []
    assert list(folder.rglob("*.pdf")) == []
    assert not system.redis.zscore(keys.FETCHES_DUE, "ord-1")


def _none_downloaded(*arguments: Any, **_: Any) -> Any:
    return DownloadResult(arguments[3], missing=1)


def test_a_delivery_under_way_brings_nothing_back(
    harness: WebhookHarness, system: System, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fulfil(harness)
    _name, arguments, _ = next(task for task in system.outbox.tasks[::-1] if task[0] == "tasks.notify")
    post = system.context.outbound.post

    def erase_first(*arguments: Any, **options: Any) -> Any:
        erase_order(system.context, "ord-1", ANNA)
        return post(*arguments, **options)

    monkeypatch.setattr(system.context.outbound, "post", erase_first)
    assert notify_once(system.context, DeliveryMessage(*arguments)) is None
    assert traces(system.redis, folder, MARKS) == []
    assert system.context.stores.deliveries.pending().count == 0


def test_a_push_under_way_brings_nothing_back(
    harness: WebhookHarness, system: System, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fulfil(harness)
    find = type(system.context.stores.orders).find_by_reference

    def erase_after(*arguments: Any) -> list[str]:
        found = find(*arguments)
        erase_order(system.context, "ord-1", ANNA)
        return found

    monkeypatch.setattr(type(system.context.stores.orders), "find_by_reference", erase_after)
    assert harness.push(push("3")).status_code == 503
    monkeypatch.undo()
    assert harness.answer(push("3"))["success"] is False
    assert traces(system.redis, folder, MARKS) == []


def test_a_step_from_before_an_erasure_writes_nothing(harness: WebhookHarness, system: System, folder: Path) -> None:
    fulfil(harness)
    before = harness.order()
    erase_order(system.context, "ord-1", ANNA)
    assert settle_expired(system.context, before, 1.0) is False
    with pytest.raises(ErasedOrderError):
        settle_expired(system.context, harness.order(), 1.0)
    assert traces(system.redis, folder, MARKS) == []


def test_the_release_before_finds_no_such_order(harness: WebhookHarness, system: System) -> None:
    """It reads an order only with its spec, and takes no submission with another digest."""
    fulfil(harness)
    erase_order(system.context, "ord-1", ANNA)
    assert not system.redis.exists(keys.spec("ord-1"))
    assert system.redis.hget(keys.order("ord-1"), "digest") == "erased"
    # The sweep of either release removes what is left after the retention.
    system.redis.zadd(keys.FINAL, {"ord-1": 1})
    run_sweep(system.context, "prune")
    assert system.context.stores.orders.get("ord-1") is None
