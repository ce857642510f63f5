"""Accounts and orders at run time."""

import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from willcall.simulator.phases import phase_at
from willcall.simulator.providers import REGISTRY
from willcall.simulator.providers.base import View
from willcall.simulator.rate import Bucket
from willcall.simulator.script import AccountChange, AccountScript, Fault, OrderScript


@dataclass(slots=True)
class Order:
    """One reference. `allowed_at` is the earliest moment (epoch) for its next request, None is any."""

    script: OrderScript
    known_at: float
    #: An unguessable name per ticket.
    secrets: Sequence[str]
    #: The fault for each of the next requests; one whose `times` is None stays.
    faults: deque[Fault] = field(default_factory=deque)
    allowed_at: float | None = None
    in_flight: int = 0
    asked: int = 0
    told: set[str] = field(default_factory=set)

    def next_fault(self) -> Fault | None:
        """The fault for this request, if there is one."""
        return _next(self.faults)

    def view(self, now: float, origin: str, word: str | None = None) -> View:
        """How the order stands at `now`."""
        phase = phase_at(self.script, now - self.known_at)
        return View(self.script, phase, self.known_at, now, origin, self.secrets, word)

    def ticket(self, index: int, reference: str) -> "Order":
        """One of its tickets as something that can be asked for by itself."""
        first_half = index < max(self.script.quantity // 2, 1)
        early = self.script.partial_after if first_half else None
        changes = {"reference": reference, "quantity": 1, "answers": (), "partial_after": None}
        if early is not None and self.script.ends != "never":
            changes["ready_after"] = early
        return Order(self.script.model_copy(update=changes), self.known_at, self.secrets[index : index + 1])

    def as_json(self) -> dict[str, Any]:
        """The order for the control API."""
        script = self.script
        return {
            "provider": script.provider,
            "account": script.account,
            "reference": script.reference,
            "ends": script.ends,
            "expect": script.expected,
            "known_at": self.known_at,
            "asked": self.asked,
            "told": sorted(self.told),
        }


class Account:
    """One account: its settings, its orders, its rate and the 429s that it was sent."""

    def __init__(self, script: AccountScript, jitter: float) -> None:
        self.script = script
        self.provider = REGISTRY[script.provider]
        self.credentials = self.provider.default_credentials(script.name) | script.credentials
        #: The scripted orders by reference.
        self.orders: dict[str, Order] = {}
        self.bucket: Bucket | None = None
        self._jitter = jitter
        self._users: dict[str, list[Order]] = {}
        self._tickets: dict[str, tuple[Order, int]] = {}
        self._derived: dict[str, Order] = {}
        self._throttles: deque[tuple[float, float]] = deque()
        self._faults = {"list": _queue(script.list_answers), "token": _queue(script.token_answers)}
        #: When a list or a token may be asked for again, where an answer said so.
        self.allowed_at: dict[str, float] = {}
        self._set_rate()

    def next_fault(self, kind: str) -> Fault | None:
        """The fault for this request, if it is for a list or a token and there is one."""
        return _next(self._faults.get(kind))

    def add(self, script: OrderScript, now: float) -> Order:
        """Get to know an order."""
        order = Order(script, now, [secrets.token_hex(16) for _ in range(script.quantity)], _queue(script.answers))
        self.orders[script.reference] = order
        if script.external_user_id is not None:
            self._users.setdefault(script.external_user_id, []).append(order)
        for index, alias in enumerate(self.provider.aliases(script, order.secrets)):
            self._tickets[alias] = (order, index)
        return order

    def find(self, reference: str) -> Order | None:
        """What a reference names: a scripted order, a user with orders, or a ticket of an order."""
        known = self.orders.get(reference) or self._derived.get(reference)
        if known:
            return known
        derived = None
        if reference in self._tickets:
            order, index = self._tickets[reference]
            derived = order.ticket(index, reference)
        elif members := self.members(reference):
            first = members[0]
            derived = Order(first.script.model_copy(update={"reference": reference}), first.known_at, first.secrets)
        if derived:
            self._derived[reference] = derived
        return derived

    def members(self, reference: str) -> list[Order]:
        """The orders of the user that a reference names; none where it names none."""
        user = self.provider.members(reference)
        return [] if user is None else self._users.get(user, [])

    def change(self, change: AccountChange) -> None:
        """Take over the fields that were given; a new rate starts with a full bucket."""
        given = {name: getattr(change, name) for name in change.model_fields_set - {"expire_tokens"}}
        self.script = self.script.model_copy(update=given)
        if "rate" in given:
            self._set_rate()

    def throttle(self, sent: float, until: float) -> None:
        """Note a 429 sent at `sent` that allows nothing before `until`."""
        self._throttles.append((sent, until))

    def held_until(self, arrived: float, grace: float) -> float | None:
        """The end of the longest 429 that a request arriving now had to know of."""
        while self._throttles and self._throttles[0][1] <= arrived:
            self._throttles.popleft()
        return max((until for sent, until in self._throttles if arrived > sent + grace), default=None)

    def _set_rate(self) -> None:
        self.bucket = Bucket(self.script.rate, jitter=self._jitter) if self.script.rate else None


def _queue(faults: Sequence[Fault]) -> deque[Fault]:
    """The fault for each of the next requests; one whose `times` is None stays."""
    return deque(fault for fault in faults for _ in range(fault.times or 1))


def _next(queue: deque[Fault] | None) -> Fault | None:
    if not queue:
        return None
    return queue[0] if queue[0].times is None else queue.popleft()
