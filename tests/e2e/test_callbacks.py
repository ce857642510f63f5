"""Real workers call backends: one that hangs beside one that answers, and a worker killed in between."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.conftest import Setup, submit_all, wait_for_the_end
from tests.waiting import wait_until
from willcall.devtools.callback_receiver import HANG, CallbackReceiver
from willcall.orders.callbacks import CallbackStatus
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.connection import connect


@pytest.fixture
def receivers() -> Iterator[list[CallbackReceiver]]:
    with ExitStack() as stack:
        yield [stack.enter_context(CallbackReceiver()) for _ in range(3)]


def orders(start: int, count: int) -> list[OrderScript]:
    return [OrderScript(provider="tiqets", reference=str(1_000_000 + start + n)) for n in range(count)]


def test_a_dead_backend_delays_neither_other_backends_nor_polls(
    deployment: Setup, receivers: list[CallbackReceiver]
) -> None:
    dead, dead_too, good = receivers
    dead.script(HANG)
    dead_too.script(HANG)
    system = deployment({"tiqets/default": {}})
    system.start("beat")
    system.start("worker", "--concurrency", "8")
    expected = submit_all(system, orders(0, 60), "dead", callback_url=dead.url())
    expected |= submit_all(system, orders(100, 60), "dead-too", callback_url=dead_too.url())
    wait_until(lambda: bool(dead.received and dead_too.received))
    expected |= submit_all(system, orders(200, 40), "good", callback_url=good.url("/hooks"))
    wait_until(lambda: len(good.received) == 40)
    tried = len(dead.received), len(dead_too.received)
    assert max(tried) < 60, "the good one did not wait until all the others had been tried"
    wait_for_the_end(system, expected)
    assert all(message.verified for message in good.received)
    assert set(Counter(good.message_ids("/hooks")).values()) == {1}
    assert dead.most_at_once <= 2


@pytest.mark.proof
def test_an_event_whose_worker_is_killed_during_delivery_is_delivered_again(
    deployment: Setup, receivers: list[CallbackReceiver]
) -> None:
    backend = receivers[0]
    backend.script(HANG, 200)
    system = deployment({"tiqets/default": {}})
    system.start("beat")
    worker = system.start("worker")
    submit_all(system, orders(0, 1), callback_url=backend.url())
    wait_until(lambda: len(backend.received) == 1)
    system.kill(worker)
    with connect(system.redis.url) as redis:
        redis.hset(keys.delivery("ord-0"), "lease", 1)  # 45 s later
    system.start("worker")
    wait_until(lambda: len(backend.received) == 2)
    [event] = system.context.stores.events.list_after(None, 10)
    assert backend.message_ids() == [event.id, event.id]
    get_delivery = system.context.stores.deliveries.get
    wait_until(lambda: (found := get_delivery("ord-0")) is not None and found.status is CallbackStatus.DELIVERED)
