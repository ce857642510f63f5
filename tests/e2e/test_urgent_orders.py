"""Orders whose event is soon and scarce tokens, through real workers."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.conftest import POLLING, Setup, submit_all
from tests.waiting import wait_until
from willcall.orders.model import Status
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.connection import connect
from willcall.usecases.submit import submit_many

ACCOUNT = "tiqets/default"
OTHERS = 500
#: Hours until the events of the urgent orders, in the order of their submission.
HOURS = [30, 3, 80, 2, 10]


@pytest.mark.proof
def test_urgent_orders_overtake_500_others_at_one_request_a_second(deployment: Setup) -> None:
    rate = {"limit": 1, "period": 1, "burst": 1}
    polling = POLLING | {"strategy": "interval", "interval": [600, 600]}
    system = deployment({ACCOUNT: {"rate": rate, "polling": polling}})
    system.start("worker", "--concurrency", "4")
    submit_all(system, [OrderScript(provider="tiqets", reference=f"other-{n}") for n in range(OTHERS)], "other")
    stores = system.context.stores
    with connect(system.redis.url) as redis:
        wait_until(lambda: redis.zcard(keys.bookings(ACCOUNT)) > OTHERS - 60, 60)

    names = [f"urgent-{hours}" for hours in HOURS]
    system.providers.add_orders(OrderScript(provider="tiqets", reference=name) for name in names)
    submitted = time.time()
    events = [(datetime.now(UTC) + timedelta(hours=hours)).isoformat() for hours in HOURS]
    orders = zip(names, events, strict=True)
    submit_many(  # in one round trip: otherwise, on a slow machine, one had its token before the others came
        system.context,
        [{"id": name, "provider": "tiqets", "reference": name, "event_at": event} for name, event in orders],
    )
    wait_until(lambda: all(order.status is Status.FULFILLED for order in stores.orders.get_many(names) if order), 60)

    asked = [entry for entry in system.providers.ledger(provider="tiqets") if entry["arrived"] > submitted]
    urgent = [entry["reference"] for entry in asked if entry["reference"] in names]
    # The first of them that a worker claimed may have got a token that was free.
    assert urgent[1:] == [name for hours in sorted(HOURS) if (name := f"urgent-{hours}") != urgent[0]]
    last = max(number for number, entry in enumerate(asked) if entry["reference"] in names)
    assert last < len(HOURS) + 4, "a few tokens were promised before they came"
    verdict = system.providers.verdict()
    assert verdict["ok"], verdict["faults"]
