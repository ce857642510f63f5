"""Which events a backend still gets, against a model, over a real Redis.

The model is the rule: an event of the status is superseded by the next one of the status only, any other event by each
event after it.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.callbacks import CallbackStatus, DeliveryDecision
from willcall.orders.model import Order, Status
from willcall.stores import keys
from willcall.stores.commits import Commit
from willcall.stores.deliveries import DeliveryAttempt, DeliveryMessage, DeliveryVerdict
from willcall.stores.events import NewEvent
from willcall.stores.registry import Stores
from willcall.stores.submissions import NewOrder

if TYPE_CHECKING:
    from redis import Redis

HOST = "shop.example"
STATUSES = ("order.partial", "order.fulfilled")
OTHERS = ("order.updated", "order.attention", "order.at_risk")
WAITS = {CallbackStatus.PENDING: 5.0, CallbackStatus.DELIVERED: None, CallbackStatus.UNDELIVERABLE: None}

kinds = st.sampled_from(STATUSES + OTHERS)
results = st.sampled_from(CallbackStatus)
steps = st.one_of(
    st.tuples(st.just("event"), kinds),
    st.tuples(st.just("attempt"), results),
    st.tuples(st.just("event_during_attempt"), results, kinds),
    st.tuples(st.just("redeliver")),
)


@dataclass
class Backend:
    """An order's deliveries in Redis, and what they should be: `queue`, unless it was given up."""

    stores: Stores
    redis: "Redis"
    queue: list[tuple[str, str]] = field(default_factory=list)
    given_up: bool = False
    latest: tuple[str, str] | None = None
    delivered: list[str] = field(default_factory=list)
    count: int = 0
    claims: int = 0

    def event(self, kind: str) -> None:
        self.count += 1
        order = self.stores.orders.get("ord-1")
        assert order
        event = (f"evt-{self.count}", kind)
        commit = Commit(order, replace(order), keep_schedule=True, event=NewEvent(*event, {}, HOST))
        assert self.stores.commits.write(commit)
        status_waits = bool(self.queue) and self.queue[0][1] in STATUSES
        self.queue = [self.queue[0], event] if kind in OTHERS and status_waits else [event]
        self.given_up, self.latest = False, event

    def attempt(self, result: CallbackStatus, meanwhile: str | None = None) -> None:
        if not self.queue or self.given_up:
            return
        self.redis.hset(keys.delivery("ord-1"), mapping={"due": 1})
        event_id, number = self.redis.hmget(keys.delivery("ord-1"), "event", "number")
        message = DeliveryMessage("ord-1", str(event_id), int(str(number)), HOST)
        self.claims += 1
        claim_id = f"claim-{self.claims}"
        claim = self.stores.deliveries.claim(message, claim_id, 60)
        assert claim.verdict is DeliveryVerdict.GO
        assert claim.event
        assert (claim.event.id, claim.event.type) == self.queue[0]
        claimed = self.queue[0]
        if meanwhile:
            self.event(meanwhile)
        made = DeliveryAttempt(1.0, claimed[0], claimed[1], None, "", WAITS[result])
        decision = DeliveryDecision(result, WAITS[result])
        follows = self.stores.deliveries.record_delivery(message, claim_id, made, decision)
        if self.queue[0] == claimed and result is CallbackStatus.DELIVERED:
            self.delivered.append(self.queue.pop(0)[0])
        elif self.queue[0] == claimed and result is CallbackStatus.UNDELIVERABLE:
            self.given_up = True
        following = self.queue[0][0] if self.queue and not self.given_up else None
        assert (follows and follows[0].event_id) == following

    def event_during_attempt(self, result: CallbackStatus, kind: str) -> None:
        self.attempt(result, kind)

    def redeliver(self) -> None:
        message = self.stores.deliveries.redeliver("ord-1", HOST)
        assert (message is None) == (self.latest is None)
        if message and not self.queue:
            assert self.latest
            self.queue = [self.latest]
        self.given_up = False
        assert message is None or message.event_id == self.queue[0][0]

    def check(self) -> None:
        state = self.stores.deliveries.get("ord-1")
        later = self.queue[1][0] if len(self.queue) > 1 else None
        if not self.queue:
            assert state is None or (state.status, state.later_id) == (CallbackStatus.DELIVERED, None)
            return
        status = CallbackStatus.UNDELIVERABLE if self.given_up else CallbackStatus.PENDING
        assert state
        assert (state.event_id, state.status, state.later_id) == (self.queue[0][0], status, later)
        assert (self.redis.zscore(keys.DELIVERIES_DUE, "ord-1") is None) == self.given_up


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(steps, min_size=1, max_size=25))
def test_a_backend_gets_each_status_that_lasts_and_then_the_latest_of_the_rest(
    history: list[tuple[str, ...]], redis: "Redis", redis_server: EmbeddedRedis
) -> None:
    redis.flushdb()
    stores = Stores.connect(redis_server.url)
    order = Order("ord-1", "tiqets", "default", "1", Status.PENDING, 0, 0, callback_url=f"https://{HOST}/")
    stores.submissions.submit([NewOrder(order, "digest", 3_600)])
    backend = Backend(stores, redis)
    for name, *arguments in history:
        getattr(backend, name)(*arguments)
        backend.check()
    while backend.queue:
        backend.redeliver()
        backend.attempt(CallbackStatus.DELIVERED)
    if backend.latest:
        assert backend.delivered[-1] == backend.latest[0]
