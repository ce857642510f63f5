"""What attempts, pushes, cancellations and deadlines add to the statistics, each exactly once."""

from collections import Counter

from simulator.script import OrderScript
from tests.integration.usecases.conftest import House, Setup
from willcall.orders.model import Attempt, Status, Ticket, TicketKind
from willcall.orders.pushes import Arrived
from willcall.usecases.attach import take_in
from willcall.usecases.control import cancel_order
from willcall.usecases.settle import settle_expired


def funtrips(**fields: object) -> OrderScript:
    return OrderScript.model_validate({"provider": "funtrips", "reference": "chk_1", **fields})


def counted(house: House, account: str = "funtrips/default") -> Counter[str]:
    """What was counted, but for how late attempts were."""
    counts = house.context.stores.stats.recent(2).get(account, Counter())
    return Counter({name: count for name, count in counts.items() if not name.startswith("late:")})


def test_an_attempt_counts_its_outcome_and_the_last_one_the_end(house: Setup) -> None:
    h = house()
    h.submit(funtrips(answers=[{"do": "malformed", "times": 1}], ready_after=0))
    h.poll()
    assert counted(h) == {"outcome:malformed": 1}
    h.poll()
    assert counted(h) == {"outcome:malformed": 1, "outcome:issued": 1, "ended:fulfilled": 1, "ticket:1": 1}
    lateness = [name for name in h.context.stores.stats.recent(2)["funtrips/default"] if name.startswith("late:")]
    assert lateness == ["late:inf"]  # `poll` makes the order due at the beginning of time


def test_a_cancellation_and_a_deadline_end_an_order_without_an_attempt(house: Setup) -> None:
    h = house()
    h.submit(funtrips(ready_after=600))
    cancel_order(h.context, "ord-1")
    assert counted(h) == {"ended:cancelled": 1}
    h.submit(funtrips(reference="chk_2", ready_after=600), id="ord-2")
    settle_expired(h.context, h.order("ord-2"), h.context.stores.accounts.now())
    assert counted(h) == {"ended:cancelled": 1, "ended:expired": 1}


def test_tickets_that_a_push_brings_count_as_such_and_as_no_attempt(house: Setup) -> None:
    h = house()
    h.submit(OrderScript.model_validate({"provider": "tixstock", "reference": "tix_1", "ready_after": 600}))
    account = h.context.accounts["tixstock/default"]
    push = Arrived((Ticket(TicketKind.BARCODE, code="4711"),), whole=True, detail="pushed")
    take_in(h.context, account, "ord-1", "order.update", push)
    assert h.order().status is Status.FULFILLED
    assert isinstance(h.context.stores.orders.timeline("ord-1")[-1], Attempt)
    assert counted(h, account.key) == {"ended:fulfilled": 1, "ticket:1": 1}
