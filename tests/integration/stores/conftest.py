"""Stores on the tests' Redis, and shortcuts to bring an order into a state."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.model import Order, Status
from willcall.orders.policy import Rate
from willcall.orders.urls import callback_host
from willcall.stores.commits import Commit
from willcall.stores.events import NewEvent
from willcall.stores.messages import PollMessage
from willcall.stores.operator_events import OperatorAlert, account_subject, order_subject
from willcall.stores.polls import PollClaim, PollVerdict
from willcall.stores.registry import Stores
from willcall.stores.submissions import NewOrder, SubmitOutcome

if TYPE_CHECKING:
    from redis import Redis

ACCOUNT = "tiqets/default"
RATE = Rate(1_000, 1, 1_000)


@dataclass
class StoreHarness:
    """The stores, with defaults for the arguments that a test does not care about."""

    stores: Stores
    redis: "Redis"

    def submit(
        self, order_id: str = "ord-1", ceiling: float = 86_400, **fields: Any
    ) -> tuple[SubmitOutcome, PollMessage | None]:
        order = Order(
            id=order_id,
            provider="tiqets",
            account=fields.pop("account", "default"),
            reference=fields.pop("reference", f"ref-{order_id}"),
            status=Status.PENDING,
            submitted_at=0,
            deadline_at=0,
            **fields,
        )
        (filed,) = self.stores.submissions.submit([NewOrder(order, f"digest of {order.reference}", ceiling)])
        return filed.outcome, filed.message

    def claim(self, seq: int = 1, order_id: str = "ord-1", claim_id: str = "a", lease: float = 3_600) -> PollClaim:
        return self.stores.polls.claim((order_id, seq), ACCOUNT, claim_id, lease, RATE, minimum=1)

    def go(self, seq: int = 1, order_id: str = "ord-1") -> Order:
        """Claim an attempt, which must be granted, and return the order."""
        claim = self.claim(seq, order_id)
        assert claim.verdict is PollVerdict.GO
        assert claim.order is not None
        return claim.order

    def commit(self, before: Order, claim_id: str = "a", *, event: bool = False, **changes: Any) -> float | None:
        """Commit changes to an order. Returns when it is due."""
        commit = {
            name: changes.pop(name)
            for name in ("due_at", "held", "earliest", "late_check_at", "attempt", "measures", "alert")
            if name in changes
        }
        after = replace(before, next_poll_at=commit.get("due_at"), **changes)
        new_event = NewEvent(f"evt-{before.seq}", f"order.{after.status}", {}, _host(after)) if event else None
        committed = self.stores.commits.write(Commit(before=before, after=after, event=new_event, **commit), claim_id)
        return committed.due if committed else None

    def order(self, order_id: str = "ord-1") -> Order:
        order = self.stores.orders.get(order_id)
        assert order is not None
        return order

    def now(self) -> float:
        return self.stores.accounts.now()

    def account_alert(self, *, send: bool = True) -> OperatorAlert:
        """Return an alert for operators, with a new id."""
        return OperatorAlert(f"evt-{self.redis.incr('alerts')}", account_subject(ACCOUNT), send)

    def order_alert(self, order_id: str = "ord-1") -> OperatorAlert:
        """An alert about an order that newly needs attention."""
        return OperatorAlert(
            f"evt-{self.redis.incr('alerts')}", order_subject(order_id), send=True, order={"id": order_id}
        )

    def park(self) -> None:
        """Pause the account until it is resumed."""
        self.stores.accounts.pause(ACCOUNT, None)


def _host(order: Order) -> str | None:
    return callback_host(order.callback_url) if order.callback_url else None


@pytest.fixture
def harness(redis: "Redis", redis_server: EmbeddedRedis) -> StoreHarness:
    return StoreHarness(Stores.connect(redis_server.url), redis)
