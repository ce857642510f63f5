"""One action on many orders: how many at once, and by whose rules."""

from threading import Barrier, Lock

import pytest

from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup
from tests.integration.usecases.test_poll_once import funtrips
from willcall.orders.history import Actor
from willcall.usecases import bulk
from willcall.usecases.bulk import BulkAction, act_on_orders
from willcall.usecases.context import Context


def test_a_few_orders_are_in_work_at_once(make_system: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many wait for each other, and one more never comes."""
    h, lock, together = make_system(), Lock(), Barrier(bulk.MOST_AT_ONCE)
    working = most = 0

    def act(_context: Context, _order_id: str, _actor: Actor) -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        together.wait(60)
        with lock:
            working -= 1

    monkeypatch.setattr(bulk, "_ACTIONS", {BulkAction.POLL: act})
    ids = [f"ord-{number}" for number in range(3 * bulk.MOST_AT_ONCE)]
    outcomes = act_on_orders(h.context, BulkAction.POLL, [*ids, *ids], ANNA)
    assert [outcome.order_id for outcome in outcomes] == ids
    assert most == bulk.MOST_AT_ONCE


def test_no_order_is_polled_before_its_hint(make_system: Setup) -> None:
    h = make_system()
    h.submit(funtrips(ready_after=600, pending_hint={"retry_after": 120}))
    hinted = h.poll().hint_until
    assert hinted
    (outcome,) = act_on_orders(h.context, BulkAction.RESUME, ["ord-1"], ANNA)
    assert outcome.error is None
    assert (h.order().next_poll_at or 0.0) >= hinted
    assert h.outcomes()[-1] == "poll_requested"
