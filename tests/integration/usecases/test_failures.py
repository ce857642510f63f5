"""Unexpected exceptions: each settles the operation that it interrupted."""

import json
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

import pytest
import redis
from structlog.testing import capture_logs

from tests.integration.usecases.conftest import Setup, System
from willcall.orders.model import Attention, Status
from willcall.orders.outcomes import Issued, PartlyIssued
from willcall.providers.base import Adapter
from willcall.providers.conversations import Conversation
from willcall.providers.pushes import PushRequest
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.connection import StoreError
from willcall.usecases import commit, documents, downloads, settle
from willcall.usecases.failures import UnexpectedError
from willcall.usecases.ingest_webhook import ingest_webhook
from willcall.usecases.poll_once import poll_once

SECRET = "4006381333931"


@dataclass
class Broken:
    """An adapter with a bug: one of its methods (`part.method` for a capability) raises, or returns what none may."""

    adapter: Any
    method: str
    result: Any

    def __getattr__(self, name: str) -> Any:
        part, _, method = self.method.partition(".")
        if name != part:
            return getattr(self.adapter, name)
        return Broken(getattr(self.adapter, part), method, self.result) if method else self._fail

    def converse(self, *question: Any) -> Conversation:
        return Adapter.converse(cast("Adapter", self), *question)

    def _fail(self, *_: object) -> Any:
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


def broken(h: System, method: str, result: Any, account: str = "tiqets/default") -> System:
    """The same system, whose adapter of one account is broken."""
    whole = h.context.accounts[account]
    accounts = {**h.context.accounts, account: replace(whole, adapter=Broken(whole.adapter, method, result))}
    return replace(h, context=replace(h.context, accounts=MappingProxyType(accounts)))


def tiqets(**fields: Any) -> OrderScript:
    return OrderScript.model_validate({"provider": "tiqets", "reference": "1111111", **fields})


def failure_count(h: System, operation: str) -> float | None:
    return h.context.meters.registry.get_sample_value("willcall_unexpected_errors_total", {"operation": operation})


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("read_status", ZeroDivisionError(SECRET)),
        ("read_status", RecursionError(SECRET)),
        ("read_status", UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET)),
        ("read_status", OverflowError(SECRET)),
        ("read_status", ValueError(f"year {SECRET} is out of range")),
        ("read_status", MemoryError(SECRET)),
        ("read_status", redis.DataError(SECRET)),
        ("status_request", KeyError(SECRET)),
        ("oauth.token_requests", TypeError(SECRET)),
        ("read_status", None),
        ("read_status", PartlyIssued(tickets=None)),  # type: ignore[arg-type]
        ("read_status", Issued(tickets=(None,))),  # type: ignore[arg-type]
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_an_attempt_that_fails_with_our_own_error_is_settled_as_malformed(
    make_system: Setup, method: str, result: Any
) -> None:
    h = broken(make_system(), method, result)
    h.submit(tiqets())
    with capture_logs() as lines:
        order = h.poll()
    assert (order.status, order.attention) == (Status.PENDING, Attention.MALFORMED)
    assert order.next_poll_at is not None
    (attempt,) = h.context.stores.orders.timeline(order.id)
    assert attempt.outcome == "malformed"
    assert attempt.why.startswith("our error: ")
    assert SECRET not in attempt.why
    logged = [line for line in lines if line.get("exc_info")]
    assert {line["order"] for line in logged} == {"ord-1"}
    assert failure_count(h, "attempt") == len(logged) == (2 if method == "oauth.token_requests" else 1)
    assert [message.seq for message in h.outbox.messages] == [1, 2]


@pytest.mark.parametrize("result", [ZeroDivisionError(), None, Issued(tickets=(None,))], ids=repr)  # type: ignore[arg-type]
def test_our_own_error_does_not_lose_the_providers_hint(make_system: Setup, result: Any) -> None:
    h = broken(make_system(), "read_status", result)
    h.submit(tiqets(answers=[{"do": "usual", "retry_after": 300}]))
    order = h.poll()
    (attempt,) = h.context.stores.orders.timeline(order.id)
    assert (attempt.outcome, attempt.countdown) == ("malformed", pytest.approx(300, abs=0.01))


def test_attempts_that_fail_with_our_own_error_back_off_until_the_deadline(make_system: Setup) -> None:
    h = broken(
        make_system(polling={"initial": 10, "factor": 2, "cap": 300, "minimum": 0, "ceiling": 600}), "read_status", 0
    )
    h.submit(tiqets())
    waits = []
    for _ in range(3):
        h.redis.delete(keys.tokens("tiqets/default"))
        order = h.poll()
        waits.append(h.context.stores.orders.timeline(order.id)[-1].countdown or 0.0)
    assert waits[0] * 1.5 < waits[1]
    assert waits[1] * 1.5 < waits[2]
    h.redis.hset(keys.order(order.id), "deadline", 1)
    assert h.poll().status is Status.EXPIRED


def test_responses_are_read_as_usual_after_the_error_is_fixed(make_system: Setup) -> None:
    h = make_system()
    broken(h, "read_status", ZeroDivisionError()).submit(tiqets())
    broken(h, "read_status", ZeroDivisionError()).poll()
    h.redis.delete(keys.tokens("tiqets/default"))
    order = h.poll()
    assert (order.status, order.attention) == (Status.FULFILLED, None)


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt(), redis.ConnectionError()])
def test_process_exits_and_redis_outages_are_not_caught(make_system: Setup, error: BaseException) -> None:
    h = broken(make_system(), "read_status", error)
    h.submit(tiqets())
    with pytest.raises(type(error)):
        h.poll()
    assert h.outcomes() == []


def test_a_failure_while_documents_are_downloaded_keeps_the_tickets(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> str:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(downloads, "_download", fails)
    h = make_system()
    h.submit(tiqets())
    order = h.poll()
    assert order.status is Status.FULFILLED
    assert [name for name, _, _ in h.outbox.tasks] == ["tasks.fetch_documents"]
    assert failure_count(h, "documents") == 1
    assert documents.fetch_documents(h.context, order.id) is None, "not due yet"
    h.redis.zadd(keys.FETCHES_DUE, {order.id: 1})
    wait = documents.fetch_documents(h.context, order.id)
    assert wait is not None
    assert wait > documents.FIRST_WAIT
    (fetching,) = h.context.stores.fetches.progress([order.id])
    assert fetching is not None
    assert fetching.why == "our error: ZeroDivisionError"


def test_a_failure_while_the_response_is_written_causes_no_second_request(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = settle.decide

    def fails_on_tickets(order: Any, outcome: Any, *rest: Any) -> Any:
        if isinstance(outcome, Issued):
            raise OverflowError(SECRET)
        return decide(order, outcome, *rest)

    monkeypatch.setattr(settle, "decide", fails_on_tickets)
    h = make_system()
    h.submit(tiqets())
    h.poll()
    assert h.outcomes() == ["malformed"]
    assert poll_once(h.context, "ord-1", 1, "tiqets/default").next_message is None
    requests = h.providers.ledger(provider="tiqets", reference="1111111")
    assert len(requests) == 1


def test_a_failure_after_the_response_was_written_undoes_nothing(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(commit, "send_delivery", fails)
    h = make_system()
    h.submit(tiqets())
    assert h.poll().status is Status.FULFILLED
    assert h.outcomes() == ["issued"]
    assert h.events() == ["order.fulfilled"]


def test_a_push_that_our_code_fails_to_read_is_to_be_resent(make_system: Setup) -> None:
    h = make_system(callbacks=True)
    account = h.context.accounts["tiqets/default"]
    pushes = Broken(account.adapter.pushes, "read_push", RecursionError(SECRET))
    with pytest.raises(UnexpectedError, match=r"^our error: RecursionError$"):
        ingest_webhook(h.context, account, pushes, PushRequest(b"{}", {}))
    assert failure_count(h, "webhook") == 1
    good = json.dumps({"order_reference_id": "1"}).encode()
    with pytest.raises(StoreError):
        ingest_webhook(
            h.context,
            account,
            Broken(account.adapter.pushes, "read_push", redis.ConnectionError()),
            PushRequest(good, {}),
        )


def test_a_token_that_our_code_fails_to_read_is_an_outage_of_the_account(make_system: Setup) -> None:
    h = broken(make_system(), "oauth.read_token", ZeroDivisionError(SECRET), "funtrips/default")
    h.submit(OrderScript(provider="funtrips", reference="chk_1"))
    order = h.poll()
    assert (order.attention, order.attempts) == (None, 0)
    (attempt,) = h.context.stores.orders.timeline(order.id)
    assert (attempt.outcome, SECRET in attempt.why) == ("unavailable", False)


def test_a_stored_push_that_fails_with_our_own_error_does_not_block_its_order(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> int:
        raise ZeroDivisionError(SECRET)

    h = make_system()
    monkeypatch.setattr("willcall.usecases.submit.apply_inbox", fails)
    h.redis.hset(keys.pushes_ahead("tiqets/default", "1111111"), "digest", "{}")
    assert h.submit(tiqets()) == "ord-1"
    assert failure_count(h, "webhook") == 1
