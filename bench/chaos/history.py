"""The history of a run as plain data, which the checks judge. All times are epoch seconds."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.chaos.faults import FaultKind
from willcall.simulator.script import ProviderName, RateScript

#: Seconds by which a request may seem to precede its claim: Redis' times are whole milliseconds.
CLOCK = 0.002

#: Provider, account, reference: what the simulator knows an order by.
Name = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """A fault that was injected into a process, from `start` to `end`."""

    kind: FaultKind
    target: str
    start: float
    end: float

    def overlaps(self, start: float, end: float) -> bool:
        """Return whether the fault was active at some time in between."""
        return self.start <= end and self.end >= start


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """A process that ended without a fault, or with an error when asked to stop; and its last log line."""

    process: str
    at: float
    code: int
    words: str = ""


@dataclass(frozen=True, slots=True)
class SubmittedOrder:
    """An order as submitted and scripted. `accepted` is `None` where it never was."""

    id: str
    name: Name
    expected: str
    accepted: float | None
    route: str = "direct"


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """An entry of the simulator's ledger."""

    number: int
    name: Name
    kind: str
    arrived: float
    finished: float
    status: int | None = None
    auth: str = "ok"
    allowed_at: float | None = None
    too_early_by: float = 0.0
    in_flight: int = 0
    fault: str | None = None

    @property
    def account(self) -> tuple[str, str]:
        """Provider and account."""
        return self.name[:2]


@dataclass(frozen=True, slots=True)
class CommittedAttempt:
    """An attempt in an order's timeline: when it was claimed, and how late that was."""

    claimed: float
    outcome: str
    late: float = 0.0


@dataclass(frozen=True, slots=True)
class VisibleState:
    """What a backend acts on: status, attention and tickets of an order, the latter as JSON."""

    status: str
    attention: str | None = None
    tickets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FinalOrder:
    """An order in Redis after the run, with its timeline, oldest first.

    `pushed`: when pushes of its provider changed it. `unkept`: how many of its PDFs are not in the document store.
    `state`: what its backend should know.
    """

    status: str
    deadline: float
    timeline: tuple[CommittedAttempt, ...] = ()
    pushed: tuple[float, ...] = ()
    missing_documents: int = 0
    state: VisibleState | None = None
    submitted: float = 0.0
    event_at: float | None = None


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An entry of the event stream. `sent`: it is for the backend too, and not for the feed alone."""

    cursor: str
    id: str
    type: str
    order_id: str
    sent: bool = True

    @property
    def at(self) -> float:
        return int(self.cursor.partition("-")[0]) / 1_000


@dataclass(frozen=True, slots=True)
class AccountAlert:
    """An event for operators: the health of an account as notified before, and now."""

    id: str
    account: str
    was: str
    health: str


@dataclass(frozen=True, slots=True)
class ProviderPush:
    """A webhook that a provider sent. `attempt` counts from 1; `status` is `None` without a response."""

    name: Name
    sent: float
    attempt: int
    status: int | None
    accepted: bool


@dataclass(frozen=True, slots=True)
class CallbackMessage:
    """A callback as received, and the `status` of the response.

    `order_id` is the order whose `callback_url` received it, `body_order_id` the one that the body names, `id` the
    `webhook-id`, `state` what the body says about the order.
    """

    at: float
    order_id: str
    body_order_id: str
    id: str
    verified: bool
    status: int
    state: VisibleState | None = None

    @property
    def accepted(self) -> bool:
        return self.status in range(200, 300)


@dataclass(frozen=True, slots=True)
class PolledOrder:
    """A status request of an order, and its committed attempt, `None` where none was committed."""

    order_id: str
    request: ProviderRequest
    attempt: CommittedAttempt | None


@dataclass(frozen=True, slots=True)
class History:
    """One run. `followed` are the events that the ledger saw, `stream` those in the stream afterwards."""

    submitted: Mapping[str, SubmittedOrder]
    final_orders: Mapping[str, FinalOrder]
    requests: tuple[ProviderRequest, ...]
    followed: tuple[StreamEvent, ...]
    stream: tuple[StreamEvent, ...]
    faults: tuple[InjectedFault, ...]
    exits: tuple[ProcessExit, ...]
    rates: Mapping[tuple[ProviderName, str], RateScript]
    #: In the order of arrival.
    callbacks: tuple[CallbackMessage, ...] = ()
    pushes: tuple[ProviderPush, ...] = ()
    alerts: tuple[AccountAlert, ...] = ()
    #: Messages left in the broker, and orders left in the indexes of work to do, by key.
    messages: Mapping[str, int] = field(default_factory=dict)
    indexes: Mapping[str, int] = field(default_factory=dict)

    @property
    def status_requests(self) -> list[ProviderRequest]:
        return [request for request in self.requests if request.kind == "status"]

    def asked(self) -> list[PolledOrder]:
        """Return every status request of a submitted order, in order of arrival, with its attempt."""
        ids = {order.name: order.id for order in self.submitted.values()}
        by_order: dict[str, list[ProviderRequest]] = defaultdict(list)
        for request in self.status_requests:
            if request.name in ids:
                by_order[ids[request.name]].append(request)
        found = [
            PolledOrder(order_id, *pair)
            for order_id, requests in by_order.items()
            for pair in match_attempts(
                requests, self.final_orders[order_id].timeline if order_id in self.final_orders else ()
            )
        ]
        return sorted(found, key=lambda asked: asked.request.arrived)


def visible_state(order: Mapping[str, Any]) -> VisibleState:
    """Return what a backend acts on. The address of a file that is stored, or signed anew each time, is no part."""
    tickets = []
    for ticket in order["tickets"]:
        seen = {name: value for name, value in ticket.items() if value not in (None, "", {})}
        seen["extra"] = {name: value for name, value in ticket["extra"].items() if name != "listed"}
        seen["url"] = None if ticket["document"] else (ticket["url"] or "").partition("?")[0]
        tickets.append(json.dumps(seen, sort_keys=True))
    attention = order["attention"] if order["attention"] != "undeliverable" else None
    return VisibleState(order["status"], attention, tuple(sorted(tickets)))


def match_attempts(
    requests: Iterable[ProviderRequest], timeline: Iterable[CommittedAttempt]
) -> list[tuple[ProviderRequest, CommittedAttempt | None]]:
    """Pair the requests of one order with its attempts.

    An attempt's request is the first between its claim and the next one. The other requests were never committed.
    """
    pairs: list[tuple[ProviderRequest, CommittedAttempt | None]] = []
    waiting = sorted(requests, key=lambda request: request.arrived)
    attempts = sorted(timeline, key=lambda attempt: attempt.claimed)
    ends = [after.claimed for after in attempts[1:]] + [float("inf")]
    for attempt, end in zip(attempts, ends, strict=False):
        while waiting and waiting[0].arrived < attempt.claimed - CLOCK:
            pairs.append((waiting.pop(0), None))
        if waiting and waiting[0].arrived < end - CLOCK:
            pairs.append((waiting.pop(0), attempt))
    return pairs + [(request, None) for request in waiting]


def read_ledger(path: Path) -> tuple[ProviderRequest, ...]:
    """Read the simulator's JSON lines, in order of arrival."""
    with path.open(encoding="utf-8") as lines:
        found = [_request(json.loads(line)) for line in lines]
    return tuple(sorted(found, key=lambda request: request.number))


def _request(entry: Mapping[str, Any]) -> ProviderRequest:
    same = (
        "number",
        "kind",
        "arrived",
        "finished",
        "status",
        "auth",
        "allowed_at",
        "too_early_by",
        "in_flight",
        "fault",
    )
    name = (entry["provider"], entry["account"] or "", entry["reference"] or "")
    return ProviderRequest(name=name, **{field: entry[field] for field in same})
