"""403: of one order, of several, of a gateway. Real HTTP from the simulator, a real Redis."""

from typing import Any

import pytest

from schedules.sweeps import run_sweep
from tests.integration.usecases.conftest import Setup, System
from tests.waiting import STALL
from willcall.orders.model import Attention, Status
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.accounts import AccountHealth, AccountState

ACCOUNT = "tiqets/default"
REFUSED = {"do": "status", "status": 403, "times": None}


def submit(h: System, order_id: str, *answers: dict[str, Any], **fields: Any) -> None:
    reference = str(1_000_000 + int(h.redis.incr("references")))
    script = {"provider": "tiqets", "reference": reference, "answers": answers, **fields}
    h.submit(OrderScript.model_validate(script), id=order_id)


def state(h: System) -> AccountState:
    return h.context.stores.accounts.state(ACCOUNT, h.context.accounts[ACCOUNT].rate)


def forget_throttle(h: System) -> None:
    """Pretend that the throttle has ended and the tokens are refilled."""
    h.redis.delete(keys.tokens(ACCOUNT))
    h.redis.hset(keys.account(ACCOUNT), "throttled_until", 0)


def test_a_403_of_a_gateway_throttles_the_account_for_its_retry_after(make_system: Setup) -> None:
    h = make_system()
    submit(h, "ord-1", {"do": "status", "status": 403, "gateway": True, "retry_after": 30})
    before = h.context.stores.accounts.now()
    order = h.poll("ord-1")
    assert (order.status, order.attention, h.outcomes("ord-1")) == (Status.PENDING, None, ["throttled"])
    assert (state(h).health, state(h).why) == (AccountHealth.THROTTLED, "403")
    assert before + 30 <= (order.hint_until or 0) <= h.context.stores.accounts.now() + 30


def test_a_403_of_a_gateway_without_retry_after_throttles_like_a_429(make_system: Setup) -> None:
    h = make_system()
    for n in range(4):
        submit(h, f"ord-{n}")
    h.providers.update_account("tiqets", down="gateway")
    for n in range(4):
        forget_throttle(h)
        h.poll(f"ord-{n}")
    assert state(h).health is AccountHealth.THROTTLED
    assert (state(h).until or 0) - h.context.stores.accounts.now() > 60 - STALL
    assert {h.order(f"ord-{n}").attention for n in range(4)} == {None}
    h.providers.update_account("tiqets", down=None)
    forget_throttle(h)
    assert h.poll("ord-0").status is Status.FULFILLED


def test_an_order_that_alone_gets_the_403_of_a_gateway_stops_throttling_others(make_system: Setup) -> None:
    h = make_system()
    submit(h, "bad", {"do": "status", "status": 403, "gateway": True, "times": None})
    for n in range(3):
        submit(h, f"good-{n}")
        forget_throttle(h)
        h.poll("bad")
        stopped = state(h).health
        forget_throttle(h)
        assert h.poll(f"good-{n}").status is Status.FULFILLED
    assert h.outcomes("bad") == ["throttled", "throttled", "unauthorized"]
    assert (stopped, h.order("bad").attention) == (AccountHealth.OK, Attention.UNAUTHORIZED)


def probe(h: System) -> str | None:
    """Let the time of the next probe come and run it: the order about which the provider was asked."""
    h.redis.hset(keys.account(ACCOUNT), "probe_at", 0)
    h.outbox.messages.clear()
    run_sweep(h.context, "polls")
    forget_throttle(h)
    for message in h.outbox.messages:
        before = h.order(message.order_id).attempts
        assert h.poll(message.order_id).attempts == before + 1
        return message.order_id
    return None


def test_ten_misfiled_orders_delay_the_good_ones_by_one_probe_at_most(make_system: Setup) -> None:
    h = make_system()
    misfiled, good = [f"misfiled-{n}" for n in range(10)], [f"good-{n}" for n in range(3)]
    for name in misfiled:
        submit(h, name, REFUSED)
    for name in good:
        submit(h, name)
    for name in misfiled + good:
        forget_throttle(h)
        h.poll(name)
    assert state(h).health is AccountHealth.UNAUTHORIZED
    assert probe(h) in good
    assert state(h).health is AccountHealth.OK


def test_probes_continue_on_schedule_when_all_orders_are_rejected(make_system: Setup) -> None:
    h = make_system()
    names = [f"ord-{n}" for n in range(4)]
    for name in names:
        submit(h, name, REFUSED)
    for name in names:
        h.poll(name)
    for _ in range(8):
        assert probe(h) in names
        assert state(h).health is AccountHealth.UNAUTHORIZED
        assert (state(h).probe_at or 0) > h.context.stores.accounts.now()
    submit(h, "good")
    h.poll("good")
    assert probe(h) == "good"
    assert state(h).health is AccountHealth.OK


def test_a_good_response_counts_between_403s_even_if_requested_before_them(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system(rate={"limit": 1_000, "period": 1, "burst": 1_000})
    for name in ("bad-1", "bad-2", "bad-3", "bad-4"):
        submit(h, name, REFUSED)
    submit(h, "good")
    exchange = h.context.http.exchange

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(h.context.http, "exchange", exchange)
        h.poll("bad-1")
        h.poll("bad-2")
        return exchange(*arguments)

    monkeypatch.setattr(h.context.http, "exchange", meanwhile)
    assert h.poll("good").status is Status.FULFILLED
    h.poll("bad-3")
    h.poll("bad-4")
    assert state(h).health is AccountHealth.OK
    forget_throttle(h)
    h.poll("bad-1")
    assert state(h).health is AccountHealth.UNAUTHORIZED
