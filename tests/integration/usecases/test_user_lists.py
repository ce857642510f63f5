"""Orders known by their user: which tickets of all that the user ever bought are theirs."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from willcall.orders.errors import RejectedOrderError
from willcall.orders.model import Order, Status
from willcall.orders.serialization import rfc3339
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.usecases.orders import cancel_order
from willcall.usecases.submit import submit, submit_many

#: Enough that no poll of a test waits for a token.
RATE = {"limit": 1_000, "period": 1, "burst": 1_000}
YEAR = 365 * 86_400.0

#: The request of each user list, and the owner of its orders.
USERS = [
    ("funtrips", "default", "user:u1", "u1"),
    ("funtrips", "headless", "me", "me"),
    ("paylogic", "user", "mine", "mine"),
]
users = pytest.mark.parametrize(("provider", "account", "reference", "user"), USERS)


class Shop:
    """A user's orders at one provider, and ours for them."""

    def __init__(self, system: System, provider: str, account: str, reference: str, user: str) -> None:
        self.system, self.provider, self.account, self.reference, self.user = system, provider, account, reference, user

    def bought(self, name: str, quantity: int = 1, **fields: Any) -> None:
        """The user has an order at the provider."""
        script = {"provider": self.provider, "account": self.account, "reference": name, "external_user_id": self.user}
        self.system.providers.add_orders([OrderScript.model_validate(script | {"quantity": quantity, **fields})])

    def submit(self, order_id: str, quantity: int = 1, **fields: Any) -> str:
        payload = {"provider": self.provider, "account": self.account, "reference": self.reference}
        return submit(self.system.context, {"id": order_id, "quantity": quantity, **payload, **fields}).order_id

    def poll(self, order_id: str) -> Order:
        return self.system.poll(order_id)


def held(order: Order) -> set[str]:
    return {ticket.code or ticket.url or "" for ticket in order.tickets}


def people(order: Order) -> int:
    """How many entrances its tickets are for: a ticket may have wallet passes beside its file."""
    return len({ticket.entrance_id for ticket in order.tickets})


@pytest.fixture
def shop(make_system: Setup, provider: str, account: str, reference: str, user: str) -> Shop:
    return Shop(make_system(rate=RATE), provider, account, reference, user)


@users
def test_last_years_tickets_do_not_count(shop: Shop) -> None:
    shop.bought("old", issued_ago=YEAR)
    shop.submit("new-1")
    assert shop.poll("new-1").status is Status.PENDING
    shop.bought("new")
    order = shop.poll("new-1")
    assert (order.status, people(order)) == (Status.FULFILLED, 1)


@users
def test_tickets_owned_by_another_order_do_not_count(shop: Shop) -> None:
    shop.bought("first", quantity=2)
    shop.submit("new-1", quantity=2)
    shop.submit("new-2", quantity=2)
    first = shop.poll("new-1")
    assert first.status is Status.FULFILLED
    assert shop.poll("new-2").status is Status.PENDING
    shop.bought("second", quantity=2)
    second = shop.poll("new-2")
    assert second.status is Status.FULFILLED
    assert held(first).isdisjoint(held(second))
    assert shop.poll("new-1").tickets == first.tickets


@users
def test_an_order_takes_a_purchase_of_its_size_before_parts_of_others(shop: Shop) -> None:
    shop.bought("three", quantity=3)
    shop.bought("two", quantity=2)
    shop.submit("new-1", quantity=2)
    shop.submit("new-2", quantity=3)
    orders = [shop.poll(name) for name in ("new-1", "new-2")]
    assert [(order.status, people(order)) for order in orders] == [(Status.FULFILLED, 2), (Status.FULFILLED, 3)]
    assert held(orders[0]).isdisjoint(held(orders[1]))


@users
def test_a_repeated_ticket_in_the_list_counts_once(shop: Shop) -> None:
    shop.bought("first", listed_times=2)
    shop.submit("new-1", quantity=2)
    order = shop.poll("new-1")
    assert (order.status, people(order)) == (Status.PARTIAL, 1)


@users
def test_a_submission_can_say_when_the_order_was_bought(shop: Shop) -> None:
    shop.bought("first", issued_ago=3 * 86_400.0)
    now = shop.system.context.stores.accounts.now()
    shop.submit("new-1")
    shop.submit("new-2", bought_at=rfc3339(now - 4 * 86_400.0))
    assert shop.poll("new-1").status is Status.PENDING
    assert shop.poll("new-2").status is Status.FULFILLED


@users
def test_orders_polled_at_the_same_time_own_different_tickets(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.submit("warm-up")
    shop.poll("warm-up")  # leaves an access token, for which one of two attempts would wait
    cancel_order(shop.system.context, "warm-up", ANNA)
    shop.bought("first")
    for name in ("new-1", "new-2"):
        shop.submit(name)
    together, orders = Barrier(2), shop.system.context.stores.orders
    ownership, first_reads = orders.ownership, iter(range(2))  # later reads are of answers that are shared

    def both_read_first(*arguments: Any) -> Any:
        found = ownership(*arguments)
        if next(first_reads, None) is not None:
            together.wait(60)
        return found

    with monkeypatch.context() as race, ThreadPoolExecutor(2) as pool:
        race.setattr(orders, "ownership", both_read_first)
        polled = list(pool.map(shop.poll, ("new-1", "new-2")))
    assert sorted(order.status for order in polled) == [Status.FULFILLED, Status.PENDING]
    assert len(held(polled[0]) | held(polled[1])) == 1
    shop.bought("second")
    waiting = next(order.id for order in polled if order.status is Status.PENDING)
    assert shop.poll(waiting).status is Status.FULFILLED


@users
def test_tickets_of_a_cancelled_order_are_released(shop: Shop) -> None:
    shop.bought("first", quantity=1)
    shop.submit("new-1", quantity=2)
    assert shop.poll("new-1").status is Status.PARTIAL
    cancel_order(shop.system.context, "new-1", ANNA)
    shop.submit("new-2")
    assert shop.poll("new-2").status is Status.FULFILLED


@users
def test_ticket_ownership_is_removed_with_the_order(shop: Shop) -> None:
    shop.bought("first")
    shop.submit("new-1")
    assert shop.poll("new-1").status is Status.FULFILLED
    owners = keys.ticket_owners(f"{shop.provider}/{shop.account}")
    assert set(shop.system.redis.hvals(owners)) == {"new-1"}
    assert shop.system.context.stores.orders.prune(shop.system.context.stores.accounts.now() + 1, 10) == (1, 1, 1)
    assert not shop.system.redis.exists(owners, keys.owned_tickets("new-1"))


@users
def test_a_users_list_needs_a_quantity(shop: Shop) -> None:
    payload = {"provider": shop.provider, "account": shop.account, "reference": shop.reference}
    with pytest.raises(RejectedOrderError, match="quantity") as caught:
        submit(shop.system.context, payload)
    assert [problem.field for problem in caught.value.errors] == ["quantity"]
    (result,) = submit_many(shop.system.context, [payload])
    assert isinstance(result, RejectedOrderError)


def test_tickets_of_an_order_with_its_own_reference_belong_to_no_other(make_system: Setup) -> None:
    made = make_system(rate=RATE)
    shop = Shop(made, "funtrips", "default", "user:u1", "u1")
    shop.bought("chk-1")
    submit(made.context, {"id": "by-checkout", "provider": "funtrips", "reference": "chk-1"})
    assert made.poll("by-checkout").status is Status.FULFILLED
    shop.submit("by-user")
    assert made.poll("by-user").status is Status.PENDING


def test_other_providers_store_no_ticket_ownership(make_system: Setup) -> None:
    made = make_system(rate=RATE)
    made.submit(OrderScript(provider="tiqets", reference="1111111"))
    assert made.poll().status is Status.FULFILLED
    assert not made.redis.keys(f"{keys.PREFIX}own*")
