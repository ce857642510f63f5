"""A 429 binds the process that it came to from the answer on, whatever Redis knows."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.integration.usecases.conftest import POLLING, Setup, System
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.http.messages import Response
from willcall.orders.model import Status
from willcall.orders.outcomes import Malformed
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.accounts import AccountHealth
from willcall.stores.connection import StoreError
from willcall.stores.schedule import Requester
from willcall.usecases import ask
from willcall.usecases.accounts import resume
from willcall.usecases.local_throttles import LocalThrottles
from willcall.usecases.orders import expedite_poll

#: What the provider answers the first time: a Retry-After of an hour.
THROTTLED = [{"do": "status", "status": 429, "retry_after": 3_600}]


def submit(h: System, *, provider: str = "tiqets") -> None:
    """Two orders of one account; asking about the first gets a 429."""
    for number, answers in ((1, THROTTLED), (2, [])):
        script = {"provider": provider, "reference": str(number), "answers": answers, "ready_after": 0}
        h.submit(OrderScript.model_validate(script), id=f"ord-{number}")


def polled_references(h: System, kind: str = "status") -> list[str]:
    """The references that were polled."""
    return [entry["reference"] for entry in h.providers.ledger() if entry["kind"] == kind]


def throttled(h: System, account: str = "tiqets/default") -> bool:
    """Whether everybody knows."""
    return h.context.stores.accounts.state(account, h.context.accounts[account].rate).health is AccountHealth.THROTTLED


def after_claim(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Have something happen between the next claim and what follows it."""
    authorize = ask.authorize

    def wrapped(*arguments: Any) -> Any:
        monkeypatch.setattr(ask, "authorize", authorize)
        action()
        return authorize(*arguments)

    monkeypatch.setattr(ask, "authorize", wrapped)


def after_answer(monkeypatch: pytest.MonkeyPatch, h: System, action: Callable[[], object]) -> None:
    """Have something happen when the next answer has come."""
    exchange = h.context.http.exchange

    def wrapped(*arguments: Any) -> Any:
        monkeypatch.setattr(h.context.http, "exchange", exchange)
        answer = exchange(*arguments)
        action()
        return answer

    monkeypatch.setattr(h.context.http, "exchange", wrapped)


@pytest.mark.parametrize("provider", ["tiqets", "funtrips"])
def test_a_request_claimed_before_a_429_is_not_sent_after_it(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    h = make_system(polling=POLLING | {"ceiling": 7_200})
    submit(h, provider=provider)
    after_claim(monkeypatch, lambda: h.poll("ord-1"))
    order = h.poll("ord-2")
    assert polled_references(h) == ["1"]
    assert (order.attempts, h.outcomes("ord-2")) == (0, [])
    moment = h.context.stores.accounts.now()
    assert order.next_poll_at is not None
    assert order.next_poll_at < moment + 60
    h.poll("ord-2")
    assert polled_references(h) == ["1"]
    assert h.outbox.messages[-1].due > moment + 3_500


def test_an_operator_may_end_a_throttle_that_this_process_has_reported(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    submit(h)
    after_claim(monkeypatch, lambda: h.poll("ord-1"))
    h.poll("ord-2")
    account = h.context.accounts["tiqets/default"]
    resume(h.context, account, ANNA, override=True)
    h.redis.delete(keys.tokens(account.key))
    h.poll("ord-2")
    assert polled_references(h) == ["1", "2"]


def test_a_429_that_could_not_be_reported_still_binds_and_is_reported_later(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch, own_server: EmbeddedRedis
) -> None:
    monkeypatch.setattr("willcall.stores.connection.PATIENCE", 0.0)
    h = make_system(server=own_server)
    submit(h)
    after_answer(monkeypatch, h, own_server.kill)
    with pytest.raises(StoreError):
        h.poll("ord-1")
    own_server.start()
    assert not throttled(h)
    order = h.poll("ord-2")
    assert polled_references(h) == ["1"]
    assert (order.attempts, h.outcomes("ord-2")) == (0, [])
    assert throttled(h)
    assert h.redis.hget(keys.account("tiqets/default"), "throttles") == "1"


def test_a_429_is_reported_when_redis_is_back(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch, own_server: EmbeddedRedis
) -> None:
    h = make_system(server=own_server)
    submit(h)
    after_answer(monkeypatch, h, own_server.kill)
    sleeps: list[float] = []

    def back(seconds: float) -> None:
        monkeypatch.setattr("redis.retry.sleep", time.sleep)
        sleeps.append(seconds)
        own_server.start()

    monkeypatch.setattr("redis.retry.sleep", back)
    h.poll("ord-1")
    assert throttled(h)
    assert h.outcomes("ord-1") == ["throttled"]
    assert sleeps == [pytest.approx(0.1)]


def test_a_broken_idle_connection_to_redis_causes_no_wait(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch, own_server: EmbeddedRedis
) -> None:
    h = make_system(server=own_server)
    submit(h)
    h.poll("ord-2")

    def restart() -> None:
        own_server.kill()
        own_server.start()
        monkeypatch.setattr("redis.retry.sleep", lambda seconds: pytest.fail(f"waited for {seconds} s"))

    after_answer(monkeypatch, h, restart)
    h.poll("ord-1")
    assert throttled(h)


def test_a_429_is_reported_before_anything_else_is_written(make_system: Setup) -> None:
    h = make_system()
    submit(h, provider="funtrips")
    h.poll("ord-1")
    token = h.context.stores.oauth.get("funtrips/default")
    assert token is not None
    assert not token.accepted


def test_a_429_from_the_token_endpoint_binds_while_the_old_token_is_valid(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    script = OrderScript(provider="funtrips", reference="chk_1", ready_after=600)
    h.submit(script)
    h.context.stores.oauth.put("funtrips/default", "old", 100)
    h.redis.hset(keys.oauth("funtrips/default"), "margin", 1_000_000)
    refusals = [Response(429, {"retry-after": "3600"}, b"", received_at=0.0)]
    monkeypatch.setattr(h.context.http, "exchange", lambda *_: refusals.pop())
    h.poll()
    assert h.outcomes() == ["throttled"]
    assert throttled(h, "funtrips/default")


def test_a_429_for_a_list_binds_the_account(make_system: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    h = make_system()
    refusals = [Response(429, {"retry-after": "3600"}, b"", received_at=0.0)]
    accounts = {"paylogic/default": h.context.accounts["paylogic/default"]}
    monkeypatch.setattr(h.context.http, "exchange", lambda *_: refusals.pop())
    run_sweep(replace(h.context, accounts=accounts), "reconcile")
    assert refusals == []
    account = accounts["paylogic/default"]
    state = h.context.stores.accounts.state(account.key, account.rate)
    assert state.health is AccountHealth.THROTTLED
    assert (state.until or 0) > h.context.stores.accounts.now() + 3_500


@pytest.mark.parametrize(
    "answer",
    [
        Response(200, {"retry-after": "3600"}, b"{}", received_at=0.0),
        Response(404, {"retry-after": "31536000"}, b"", received_at=0.0),
        Response(503, {"retry-after": "3600"}, b"", received_at=0.0),
        Malformed(retry_after=3_600, detail="response larger than 1000 bytes"),
    ],
    ids=["200", "404", "503", "too large"],
)
def test_a_hint_for_a_list_applies_to_the_next_list(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch, answer: Response | Malformed
) -> None:
    h = make_system()
    account = h.context.accounts["paylogic/default"]
    asked_for: list[object] = []
    monkeypatch.setattr(h.context.http, "exchange", lambda *asked: asked_for.append(asked) or answer)
    for _ in range(2):
        run_sweep(replace(h.context, accounts={account.key: account}), "reconcile")
    assert len(asked_for) == 1
    assert not throttled(h, account.key)
    assert 3_500_000 < h.redis.pttl(keys.list_wait(account.key)) <= 3_600_000
    resume(h.context, account, ANNA, override=True)
    run_sweep(replace(h.context, accounts={account.key: account}), "reconcile")
    assert len(asked_for) == 2


def test_a_throttle_ends_on_time_and_binds_its_account_alone() -> None:
    throttles, account = LocalThrottles(), Mock(bucket="tiqets/default")
    report: Any = object()
    throttles.record(account, report, 0.0)
    assert not throttles.blocks("tiqets/default", time.monotonic())
    throttle = throttles.record(account, report, 60.0)
    before = time.monotonic()
    assert throttles.blocks("tiqets/default", before)
    assert not throttles.blocks("tiqets/other", before)
    with throttle.reporting():
        pass
    assert throttles.blocks("tiqets/default", before)
    assert not throttles.blocks("tiqets/default", time.monotonic() + 1)


def test_a_gateway_that_rejects_only_the_list_does_not_stop_the_account(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    page = Response(403, {"content-type": "text/html", "server": "cloudflare"}, b"<html>", received_at=0.0)
    exchange = h.context.http.exchange
    monkeypatch.setattr(
        h.context.http,
        "exchange",
        lambda account, request: exchange(account, request) if (request.method == "POST") else page,
    )
    assert run_sweep(h.context, "reconcile") == {"late_checks": 0, "differing": 0}
    assert not throttled(h, "funtrips/default")


def test_a_hint_with_the_tickets_applies_to_a_later_push(make_system: Setup) -> None:
    h = make_system()
    script = {"provider": "tiqets", "reference": "1", "answers": [{"do": "usual", "retry_after": 3_600}]}
    h.submit(OrderScript.model_validate(script))
    before = h.context.stores.accounts.now()
    assert h.poll().status is Status.FULFILLED
    expedited = expedite_poll(h.context, h.context.accounts["tiqets/default"], "ord-1", Requester.PROVIDER)
    assert (expedited.at or 0) >= before + 3_600
