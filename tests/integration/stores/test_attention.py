"""Counts of orders that need attention, compared with the orders after random steps."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import pytest

from tests.integration.stores.conftest import RATE, StoreHarness
from willcall.orders.callbacks import CallbackStatus, DeliveryDecision
from willcall.orders.decision import AccountSignal
from willcall.orders.model import FINAL, Attention, Order, Status
from willcall.stores import keys
from willcall.stores.accounts import AccountReport
from willcall.stores.commits import Commit
from willcall.stores.deliveries import DeliveryAttempt, DeliveryMessage
from willcall.stores.events import NewEvent
from willcall.stores.listing import OrderFilter
from willcall.stores.polls import PollVerdict

ACCOUNTS = ("default", "second")


@dataclass
class Days:
    """Random steps of orders."""

    harness: StoreHarness
    random: Random
    submitted: int = 0

    @property
    def events(self) -> list[Callable[[], None]]:
        return [
            self.submit,
            self.submit,
            self.poll,
            self.poll,
            self.poll,
            self.amend,
            self.tell,
            self.redeliver,
            self.refuse,
            self.resume,
            self.prune,
        ]

    def submit(self) -> None:
        self.harness.submit(
            f"ord-{self.submitted}", account=self.random.choice(ACCOUNTS), callback_url="https://backend.example/hook"
        )
        self.submitted += 1

    def poll(self) -> None:
        for order in self.some():
            claim = self.harness.stores.polls.claim((order.id, order.seq), order.account_key, "a", 30, RATE, minimum=1)
            if claim.verdict is PollVerdict.GO:
                self.commit(order, claim_id="a")

    def amend(self) -> None:
        for order in self.some():
            self.commit(order, claim_id="")

    def commit(self, before: Order, claim_id: str) -> None:
        now = self.harness.now()
        status = self.random.choice([before.status, before.status, *Status])
        after = replace(
            before,
            status=status,
            attention=self.random.choice([None, before.attention, *Attention]),
            finished_at=now if status in FINAL else None,
        )
        event = (
            NewEvent(f"evt-{before.id}-{before.seq}", f"order.{status}", {}, "shop.example")
            if self.random.random() < 0.5
            else None
        )
        keep = not claim_id and self.random.random() < 0.5
        place = {"keep_schedule": True} if keep else {"held": self.random.random() < 0.2}
        due_at = None if status in FINAL or place.get("held") else now - 1
        self.harness.stores.commits.write(Commit(before, after, due_at=due_at, event=event, **place), claim_id)

    def tell(self) -> None:
        """Exhaust the retries of a delivery."""
        deliveries = self.harness.stores.deliveries
        for order_id, _ in self.random.sample(undelivered := deliveries.oldest(100), min(3, len(undelivered))):
            event, number = self.harness.redis.hmget(keys.delivery(order_id), "event", "number")
            notice = DeliveryMessage(order_id, str(event), int(str(number)), "backend.example")
            deliveries.claim(notice, "a", 30, 0)
            made = DeliveryAttempt(self.harness.now(), notice.event_id, "order.fulfilled", 500, "", None)
            deliveries.record_delivery(notice, "a", made, DeliveryDecision(CallbackStatus.UNDELIVERABLE))

    def redeliver(self) -> None:
        for order in self.some():
            self.harness.stores.deliveries.redeliver(order.id, "shop.example")

    def refuse(self) -> None:
        """Reject the key: all orders that are claimed meanwhile are held."""
        refused = AccountReport(AccountSignal.UNAUTHORIZED, "ord-0", probe=False)
        account = f"tiqets/{self.random.choice(ACCOUNTS)}"
        self.harness.stores.accounts.report_health(account, account, refused, (600, 600), self.harness.account_alert())

    def resume(self) -> None:
        for name in ACCOUNTS:
            self.harness.redis.delete(keys.account(f"tiqets/{name}"))
            self.harness.stores.schedule.release_held(f"tiqets/{name}", 5, 0)

    def prune(self) -> None:
        self.harness.stores.orders.prune(self.harness.now() + 1, self.random.randrange(3))

    def some(self) -> list[Order]:
        orders = self.all()
        return self.random.sample(orders, min(3, len(orders)))

    def all(self) -> list[Order]:
        """Count the orders one by one, without an index."""
        orders = self.harness.stores.orders.get_many([f"ord-{number}" for number in range(self.submitted)])
        return [order for order in orders if order]


@pytest.mark.parametrize("seed", range(4))
def test_counts_and_lists_always_agree_with_the_orders(harness: StoreHarness, seed: int) -> None:
    days = Days(harness, Random(seed))
    for _ in range(150):
        days.random.choice(days.events)()
        needy = [order for order in reversed(days.all()) if order.attention]
        survey = harness.stores.listing.attention_summary(parked=(), limit=1_000)
        assert survey.counts == Counter((order.account_key, order.attention) for order in needy)
        assert survey.orders == harness.stores.listing.page(OrderFilter(attention=frozenset()), 1_000).orders == needy
    harness.redis.zadd(keys.FINAL, dict.fromkeys((order.id for order in days.all()), 1))
    harness.redis.delete(keys.DELIVERIES_DUE)
    harness.stores.orders.prune(harness.now() + 1, 1_000)
    assert (days.all(), list(harness.redis.scan_iter(f"{keys.ATTENTION}*"))) == ([], [])
