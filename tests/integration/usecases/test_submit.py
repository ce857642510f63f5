"""Submitting while connections to Redis break: whatever was lost, the order has its message and is new once."""

from collections.abc import Iterator

import pytest

from tests.integration.usecases.conftest import Setup, System
from tests.lossy_proxy import LossyProxy
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.stores import keys
from willcall.stores.connection import StoreError
from willcall.usecases.submit import AcceptedOrder, submit, submit_many

ORDER = {"id": "ord-1", "provider": "tiqets", "reference": "1111111"}


@pytest.fixture
def proxy(redis_server: EmbeddedRedis) -> Iterator[LossyProxy]:
    proxy = LossyProxy(redis_server.url)
    yield proxy
    proxy.stop()


@pytest.fixture
def lossy_system(make_system: Setup, proxy: LossyProxy) -> System:
    """A system whose connections to Redis pass the proxy, with its scripts loaded."""
    made = make_system(server=proxy)
    submit(made.context, {**ORDER, "id": "first", "reference": "2222222"})
    made.outbox.messages.clear()
    return made


def sent(system: System) -> list[tuple[str, int]]:
    return [(message.order_id, message.seq) for message in system.outbox.messages]


def test_a_submission_is_new_and_sends_its_message_if_the_reply_was_lost(
    lossy_system: System, proxy: LossyProxy
) -> None:
    proxy.lose_answers_to(b"ord-1")
    assert submit(lossy_system.context, ORDER) == AcceptedOrder("ord-1", new=True)
    assert (proxy.lost, sent(lossy_system)) == (1, [("ord-1", 1)])
    assert submit(lossy_system.context, ORDER) == AcceptedOrder("ord-1", new=False)


def test_each_order_of_a_batch_keeps_its_result_if_the_reply_was_lost(lossy_system: System, proxy: LossyProxy) -> None:
    proxy.lose_answers_to(b"ord-2")
    orders = [{**ORDER, "id": f"ord-{number}", "allow_duplicate": True} for number in range(5)] + [ORDER]
    accepted = submit_many(lossy_system.context, orders)
    assert proxy.lost == 1
    new = [AcceptedOrder(f"ord-{number}", new=True) for number in range(5)]
    assert accepted == [*new, AcceptedOrder("ord-1", new=False)]
    assert {order_id for order_id, _ in sent(lossy_system)} == {f"ord-{number}" for number in range(5)}


@pytest.mark.parametrize(("age", "new"), [(0, False), (10_000, True)])
def test_an_order_stored_without_its_message_gets_one_when_submitted_again(
    lossy_system: System, proxy: LossyProxy, age: int, *, new: bool
) -> None:
    proxy.lose_answers_to(b"ord-1", times=2)
    with pytest.raises(StoreError):
        submit(lossy_system.context, ORDER)
    assert sent(lossy_system) == []
    submitted = round(lossy_system.order().submitted_at * 1_000)
    lossy_system.redis.hset(keys.order("ord-1"), "submitted", submitted + (1_000_000 if not age else -age))
    assert submit(lossy_system.context, ORDER) == AcceptedOrder("ord-1", new=new)
    assert sent(lossy_system) == [("ord-1", 1)]
    assert submit(lossy_system.context, ORDER) == AcceptedOrder("ord-1", new=False)
    assert sent(lossy_system) == [("ord-1", 1)]


def test_an_order_that_was_polled_sends_nothing_when_submitted_again(make_system: Setup) -> None:
    made = make_system()
    submit(made.context, ORDER)
    made.poll()
    before = sent(made)
    assert submit(made.context, ORDER) == AcceptedOrder("ord-1", new=False)
    assert sent(made) == before
