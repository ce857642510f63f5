"""What is promised is what happens: throttles, pauses, outages and missing workers are part of the answer."""

import pytest

from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from willcall.simulator.script import OrderScript
from willcall.usecases.account_reports import report_throttle
from willcall.usecases.accounts import pause, resume
from willcall.usecases.orders import request_poll
from willcall.views.accounts import stopped_accounts
from willcall.views.promises import (
    Conditions,
    describe_expedited_poll,
    describe_first_poll,
    earliest_poll,
    read_conditions,
)

KEY = "tiqets/default"


@pytest.fixture
def h(make_system: Setup) -> System:
    system = make_system()
    system.submit(OrderScript(provider="tiqets", reference="1", ready_after=600))
    system.context.stores.processes.record_heartbeat("worker", "willcall-7@box", {})
    return system


def conditions(h: System) -> Conditions:
    return read_conditions(h.context.stores, h.context.accounts, KEY)


def promise(h: System, *, override: bool = False) -> str:
    expedited = request_poll(h.context, "ord-1", ANNA, override=override)
    return describe_expedited_poll(expedited, conditions(h), override=override)


def throttle(h: System) -> None:
    account, now = h.context.accounts[KEY], h.context.stores.accounts.now()
    report_throttle(h.context, account, 1_800, now)


def test_a_throttle_postpones_what_is_promised(h: System) -> None:
    h.poll()
    throttle(h)
    assert promise(h) in {
        "will be polled in 30 min; that is the earliest time allowed",
        "will be polled in 29 min 59 s; that is the earliest time allowed",
    }
    assert "in 30 min" in describe_first_poll(h.order(), conditions(h)).replace("29 min 59 s", "30 min")
    assert stopped_accounts(h.context.stores, h.context.accounts, {KEY}) == {KEY: "throttled"}
    assert (earliest_poll(h.order(), conditions(h).state) or 0) - h.context.stores.accounts.now() > 1_790
    assert "30 min" not in promise(h, override=True)
    assert (earliest_poll(h.order(), conditions(h).state, override=True) or 0) - h.context.stores.accounts.now() < 60


def test_a_pause_and_an_outage_are_distinguished(h: System) -> None:
    account = h.context.accounts[KEY]
    pause(h.context, account, None, ANNA)
    assert promise(h) == f"is held, and will be polled once its account {KEY} is resumed"
    assert earliest_poll(h.order(), conditions(h).state) is None
    assert describe_first_poll(h.order(), conditions(h)).endswith("the order is held until it is resumed")
    resume(h.context, account, ANNA)
    h.redis.hset(f"willcall:account:{KEY}", "state", "down")
    assert promise(h) == f"is held, and will be polled as soon as its account {KEY} recovers"


def test_without_workers_nothing_is_promised_for_now(h: System) -> None:
    h.context.stores.processes.remove("worker", "willcall-7@box")
    assert promise(h) == "will be polled once a worker is running"
    assert describe_first_poll(h.order(), conditions(h)) == f"{KEY} will be polled once a worker is running"
    h.poll()
    throttle(h)
    assert promise(h).startswith("will be polled once a worker is running, not before 20")
