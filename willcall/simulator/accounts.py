"""Accounts and orders at run time."""

import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from willcall.simulator.order_status import status_at
from willcall.simulator.providers import REGISTRY
from willcall.simulator.providers.base import OrderSnapshot
from willcall.simulator.script import AccountScript, AccountUpdate, Fault, OrderScript, RateScript


class RateMeter:
    """A token bucket that goes below zero instead of refusing: its debt is how far the client exceeds the rate.

    In any window of `w` seconds a client may send `burst + limit / period * w` requests.
    """

    def __init__(self, rate: RateScript, *, jitter: float = 0.0) -> None:
        """`jitter` (seconds) is how much longer the network may delay one request than another."""
        self._per_second = rate.limit / rate.period
        self._capacity = rate.burst + self._per_second * jitter
        self._tokens = self._capacity
        self._last: float | None = None

    def take(self, at: float) -> float:
        """Count a request at epoch second `at`; return by how many requests the rate is exceeded, else 0."""
        elapsed = 0.0 if self._last is None else max(at - self._last, 0.0)
        self._last = at if self._last is None else max(at, self._last)
        self._tokens = min(self._tokens + elapsed * self._per_second, self._capacity) - 1
        return max(-self._tokens, 0.0)


@dataclass(slots=True)
class SimulatedOrder:
    """One reference. `allowed_at` is when (epoch) its next request is allowed; None is at any time."""

    script: OrderScript
    known_at: float
    #: An unguessable name per ticket.
    secrets: Sequence[str]
    #: The fault for each of the next requests; one whose `times` is None stays.
    faults: deque[Fault] = field(default_factory=deque)
    allowed_at: float | None = None
    in_flight: int = 0
    requests: int = 0
    #: The statuses that responses have reported.
    reported: set[str] = field(default_factory=set)

    def next_fault(self) -> Fault | None:
        return _next(self.faults)

    def snapshot(self, now: float, origin: str, word: str | None = None) -> OrderSnapshot:
        """Return the order as it is at `now`."""
        status = status_at(self.script, now - self.known_at)
        return OrderSnapshot(self.script, status, self.known_at, now, origin, self.secrets, word)

    def ticket(self, index: int, reference: str) -> "SimulatedOrder":
        """Return one of its tickets as an order with a reference of its own."""
        first_half = index < max(self.script.quantity // 2, 1)
        early = self.script.partial_after if first_half else None
        changes = {"reference": reference, "quantity": 1, "answers": (), "partial_after": None}
        if early is not None and self.script.ends != "never":
            changes["ready_after"] = early
        return SimulatedOrder(self.script.model_copy(update=changes), self.known_at, self.secrets[index : index + 1])

    def as_json(self) -> dict[str, Any]:
        """Return the order as the control API shows it."""
        script = self.script
        return {
            "provider": script.provider,
            "account": script.account,
            "reference": script.reference,
            "ends": script.ends,
            "expect": script.expected,
            "known_at": self.known_at,
            "requests": self.requests,
            "reported": sorted(self.reported),
        }


class SimulatedAccount:
    """One account: its settings, its orders, its rate and the 429s that it was sent."""

    def __init__(self, script: AccountScript, jitter: float) -> None:
        self.script = script
        self.provider = REGISTRY[script.provider]
        self.credentials = self.provider.default_credentials(script.name) | script.credentials
        #: The scripted orders by reference.
        self.orders: dict[str, SimulatedOrder] = {}
        self.rate_meter: RateMeter | None = None
        self._jitter = jitter
        self._users: dict[str, list[SimulatedOrder]] = {}
        self._tickets: dict[str, tuple[SimulatedOrder, int]] = {}
        self._checkouts: dict[str, SimulatedOrder] = {}
        self._derived: dict[str, SimulatedOrder] = {}
        self._throttles: deque[tuple[float, float]] = deque()
        self._faults = {
            "list": _queue(script.list_answers),
            "token": _queue(script.token_answers),
            "checkout": _queue(script.checkout_answers),
        }
        #: When the next request for a list or a token is allowed, if a response set a time.
        self.allowed_at: dict[str, float] = {}
        self._reset_rate_meter()

    def next_fault(self, kind: str) -> Fault | None:
        """Return the fault for this request, if it is for a list or a token and there is one."""
        return _next(self._faults.get(kind))

    def add(self, script: OrderScript, now: float) -> SimulatedOrder:
        names = [secrets.token_hex(16) for _ in range(script.quantity)]
        order = SimulatedOrder(script, now, names, _queue(script.answers))
        self.orders[script.reference] = order
        if script.external_user_id is not None:
            self._users.setdefault(script.external_user_id, []).append(order)
        for index, alias in enumerate(self.provider.aliases(script, order.secrets)):
            self._tickets[alias] = (order, index)
        self._checkouts |= dict.fromkeys(self.provider.checkouts(script, order.secrets), order)
        return order

    def remove(self, reference: str) -> None:
        """Forget an order, if there is one."""
        order = self.orders.pop(reference, None)
        self._derived.clear()
        for orders in self._users.values():
            orders[:] = [each for each in orders if each is not order]
        self._tickets = {alias: each for alias, each in self._tickets.items() if each[0] is not order}
        self._checkouts = {alias: each for alias, each in self._checkouts.items() if each is not order}

    def find(self, reference: str) -> SimulatedOrder | None:
        """Return what a reference names: a scripted order, a user with orders, or a ticket of an order."""
        known = self.orders.get(reference) or self._checkouts.get(reference) or self._derived.get(reference)
        if known:
            return known
        derived = None
        if reference in self._tickets:
            order, index = self._tickets[reference]
            derived = order.ticket(index, reference)
        elif orders := self.orders_of_user(reference):
            first = orders[0]
            script = first.script.model_copy(update={"reference": reference})
            derived = SimulatedOrder(script, first.known_at, first.secrets)
        if derived:
            self._derived[reference] = derived
        return derived

    def orders_of_user(self, reference: str) -> list[SimulatedOrder]:
        """Return the orders of the user that a reference names; empty if it names none."""
        user = self.provider.user_of(reference)
        return [] if user is None else self._users.get(user, [])

    def update(self, update: AccountUpdate) -> None:
        """Apply the fields that were given; a new rate starts with a full bucket."""
        given = {name: getattr(update, name) for name in update.model_fields_set & AccountScript.model_fields.keys()}
        self.script = self.script.model_copy(update=given)
        if "rate" in given:
            self._reset_rate_meter()

    def throttle(self, sent: float, until: float) -> None:
        """Record a 429 sent at `sent` that allows nothing before `until`."""
        self._throttles.append((sent, until))

    def throttled_until(self, arrived: float, grace: float) -> float | None:
        """Return the end of the longest 429 that the sender of a request arriving now must have known."""
        while self._throttles and self._throttles[0][1] <= arrived:
            self._throttles.popleft()
        return max((until for sent, until in self._throttles if arrived > sent + grace), default=None)

    def _reset_rate_meter(self) -> None:
        self.rate_meter = RateMeter(self.script.rate, jitter=self._jitter) if self.script.rate else None


def _queue(faults: Sequence[Fault]) -> deque[Fault]:
    return deque(fault for fault in faults for _ in range(fault.times or 1))


def _next(queue: deque[Fault] | None) -> Fault | None:
    if not queue:
        return None
    return queue[0] if queue[0].times is None else queue.popleft()
