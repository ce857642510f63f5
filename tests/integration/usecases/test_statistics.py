"""What attempts, pushes, cancellations and deadlines add to the statistics, each exactly once."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.actors import ANNA
from tests.integration.usecases.conftest import POLLING, Setup, System
from willcall.orders.model import Attempt, Status, Ticket, TicketKind
from willcall.orders.outcomes import OUTCOME_NAMES
from willcall.orders.pushes import TicketsPush
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.deliveries import DeliveryMessage
from willcall.usecases.apply_pushes import apply_push
from willcall.usecases.notify import notify_once
from willcall.usecases.orders import cancel_order
from willcall.usecases.poll_once import poll_once
from willcall.usecases.ports import ProviderClient
from willcall.usecases.settle import settle_expired


@dataclass
class Meanwhile:
    """Real HTTP, during which something else happens."""

    http: ProviderClient
    happens: Callable[[], object]

    def exchange(self, *question: Any) -> Any:
        self.happens()
        return self.http.exchange(*question)


def funtrips(**fields: object) -> OrderScript:
    return OrderScript.model_validate({"provider": "funtrips", "reference": "chk_1", **fields})


def statistics_counts(system: System, account: str = "funtrips/default") -> Counter[str]:
    """What was counted, but for how late attempts were."""
    counts = system.context.stores.stats.last_minutes(2).get(account, Counter())
    return Counter({name: count for name, count in counts.items() if not name.startswith("late:")})


def metered_value(system: System, name: str, **labels: str) -> float | None:
    return system.context.meters.registry.get_sample_value(name, labels)


def test_an_attempt_counts_its_outcome_and_the_last_one_the_final_status(make_system: Setup) -> None:
    h = make_system()
    h.submit(funtrips(answers=[{"do": "malformed", "times": 1}], ready_after=0))
    h.poll()
    assert statistics_counts(h) == {"outcome:malformed": 1}
    h.poll()
    assert statistics_counts(h) == {"outcome:malformed": 1, "outcome:issued": 1, "ended:fulfilled": 1, "ticket:1": 1}
    lateness = [name for name in h.context.stores.stats.last_minutes(2)["funtrips/default"] if name.startswith("late:")]
    assert lateness == ["late:inf"]  # `poll` makes the order due at the beginning of time


def test_a_cancellation_and_a_deadline_end_an_order_without_an_attempt(make_system: Setup) -> None:
    h = make_system()
    h.submit(funtrips(ready_after=600))
    cancel_order(h.context, "ord-1", ANNA)
    assert statistics_counts(h) == {"ended:cancelled": 1}
    h.submit(funtrips(reference="chk_2", ready_after=600), id="ord-2")
    settle_expired(h.context, h.order("ord-2"), h.context.stores.accounts.now())
    assert statistics_counts(h) == {"ended:cancelled": 1, "ended:expired": 1}


def test_pushed_tickets_are_counted_and_are_no_attempt(make_system: Setup) -> None:
    h = make_system()
    h.submit(OrderScript.model_validate({"provider": "tixstock", "reference": "tix_1", "ready_after": 600}))
    account = h.context.accounts["tixstock/default"]
    push = TicketsPush((Ticket(TicketKind.BARCODE, code="4711"),), complete=True, detail="pushed")
    apply_push(h.context, account, "ord-1", "order.update", push)
    assert h.order().status is Status.FULFILLED
    assert isinstance(h.context.stores.orders.timeline("ord-1")[-1], Attempt)
    assert statistics_counts(h, account.key) == {"ended:fulfilled": 1, "ticket:1": 1}


def test_meters_and_statistics_agree(make_system: Setup) -> None:
    h = make_system()
    h.submit(funtrips(answers=[{"do": "malformed", "times": 1}], ready_after=0))
    h.poll()
    h.poll()
    account = {"provider": "funtrips", "account": "default"}
    metered = {
        outcome: metered_value(h, "willcall_attempts_total", **account, outcome=outcome)
        for outcome in ("malformed", "issued")
    }
    assert metered == {"malformed": 1, "issued": 1}
    assert metered_value(h, "willcall_attempt_lateness_seconds_count", **account) == 2
    assert metered_value(h, "willcall_time_to_ticket_seconds_count", **account) == 1
    assert metered_value(h, "willcall_provider_request_seconds_count", **account) == 3  # one for the access token


def test_outcomes_that_have_not_occurred_are_counted_as_0(make_system: Setup) -> None:
    h, account = make_system(), {"provider": "funtrips", "account": "default"}
    assert {
        metered_value(h, "willcall_attempts_total", **account, outcome=name) for name in OUTCOME_NAMES.values()
    } == {0}


def test_a_response_for_a_closed_order_is_no_attempt(make_system: Setup) -> None:
    h = make_system()
    h.submit(funtrips(ready_after=0))
    order = h.order()
    h.redis.hset(keys.order("ord-1"), "due", 1)
    context = replace(h.context, http=Meanwhile(h.context.http, lambda: cancel_order(h.context, "ord-1", ANNA)))
    assert poll_once(context, "ord-1", order.seq, order.account_key).next_message is None
    assert statistics_counts(h) == {"ended:cancelled": 1}
    assert metered_value(h, "willcall_attempts_total", provider="funtrips", account="default", outcome="issued") == 0


def test_each_attempt_counts_its_wait_for_a_token_once(make_system: Setup) -> None:
    h = make_system(rate={"limit": 1, "period": 3_600, "burst": 1}, polling=POLLING | {"ceiling": 86_400})
    for n in (1, 2):
        h.submit(funtrips(reference=f"chk_{n}", ready_after=600), id=f"ord-{n}")
        h.poll(f"ord-{n}")
    account = {"provider": "funtrips", "account": "default"}
    assert metered_value(h, "willcall_token_wait_seconds_count", **account) == 2
    assert metered_value(h, "willcall_token_wait_seconds_bucket", **account, le="0.05") == 1
    assert 3_000 < (metered_value(h, "willcall_token_wait_seconds_sum", **account) or 0) < 3_700
    poll_once(h.context, "ord-2", 1, "funtrips/default")
    assert metered_value(h, "willcall_token_wait_seconds_count", **account) == 2


def test_delivery_attempts_are_counted_by_their_result(make_system: Setup) -> None:
    h = make_system()
    h.submit(funtrips(ready_after=0), callback_url="http://127.0.0.1:9/hook")
    h.poll()
    ((_, arguments, _),) = h.outbox.tasks
    notify_once(h.context, DeliveryMessage(*arguments))
    results = {
        result: metered_value(h, "willcall_callbacks_total", to="backends", result=result)
        for result in ("delivered", "retrying", "undeliverable")
    }
    assert results == {"delivered": 0, "retrying": 1, "undeliverable": 0}
