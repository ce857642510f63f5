"""The promises: each check is a pure function of the history and returns what it finds wrong."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby, pairwise

from bench.chaos.callback_checks import (
    callbacks_keep_the_order,
    every_backend_knows_its_orders,
    every_callback_is_genuine,
    every_last_event_is_delivered,
    risk_is_notified_in_time,
)
from bench.chaos.event_ledger import UPDATES
from bench.chaos.faults import OUTAGES, FaultKind
from bench.chaos.history import (
    AccountAlert,
    History,
    InjectedFault,
    PolledOrder,
    ProviderRequest,
    StreamEvent,
)
from willcall.simulator.accounts import RateMeter

Check = Callable[[History], list[str]]

#: Seconds that a worker may take from the provider's response to the commit. In between it fetches documents, some of
#: them behind redirects.
SETTLE_MARGIN = 3.0
#: Seconds by which requests bunch up on a busy machine; the simulator's ledger allows for it too.
JITTER = 0.1
#: Seconds that a request may be in transit: a provider reads it even if its worker has been killed meanwhile.
TRAVEL = 0.08
#: Seconds that a worker may take from its claim to the provider on a busy machine. What others learn meanwhile cannot
#: stop the request.
UNDER_WAY = 0.5
#: Seconds of the longest `Retry-After` of a 429 in the scripts: 2, plus the rounding of dates.
LONGEST_THROTTLE = 4.0
#: Statuses that may stop a whole account.
THROTTLING = frozenset({403, 429})
#: Smaller excesses over the rate are floating-point errors.
EPSILON = 1e-6

#: The transitions of an order, written down again, as this judges the product's own table.
MAY_BECOME: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"partial", "fulfilled", "failed", "cancelled", "expired"}),
    "partial": frozenset({"fulfilled", "failed", "cancelled", "expired"}),
    "fulfilled": frozenset({"cancelled"}),
    "expired": frozenset({"fulfilled", "failed", "cancelled"}),
    "failed": frozenset(),
    "cancelled": frozenset(),
}

#: Faults that can keep an attempt from being committed. A freeze is shorter than the lease, a worker that is asked to
#: stop finishes its work, and a cut connection is retried at once, so these are no excuse.
_PREVENT_COMMIT = OUTAGES | {FaultKind.WORKER_KILL}
#: Faults after which the API is unavailable for a while.
API_FAULTS = frozenset({FaultKind.API_KILL, FaultKind.API_TERM})
#: Seconds that the next API may take to start on a busy machine, and that a webhook may wait for its response.
API_START, API_RESPONSE = 10.0, 15.0
#: Responses to a webhook: accepted, or Redis is unavailable.
_WEBHOOK_RESPONSES = {200, 503}

#: Faults that delay when other workers know of a 429: its worker is frozen, or cannot reach Redis.
_DELAY_THROTTLES = OUTAGES | {FaultKind.WORKER_FREEZE}
#: Seconds after such a fault until all workers know: the longest wait between two attempts to report (0.5 s), and the
#: time for new connections on a busy machine.
RECONNECT = 1.0
#: Seconds in which a 429 is reported without a fault: the ledger's own grace.
REPORT_TIME = 0.25


def every_order_ended_as_scripted(history: History) -> list[str]:
    """No accepted order is lost, and each has the final status that the provider gave it."""
    found = []
    for order in history.submitted.values():
        ended = history.final_orders.get(order.id)
        status = ended.status if ended else "unknown"
        if order.accepted is None:
            found.append(f"{order.id}: was never accepted")
        elif status != order.expected:
            found.append(f"{order.id} ({order.name[0]}, {order.route}): {status} instead of {order.expected}")
    return found


def no_request_too_early(history: History) -> list[str]:
    """No order is polled before hints, 429s and the minimum allow it, beyond the ledger's own grace.

    A request counts from its claim if that was just before, or if its worker was frozen since. A 429 counts once other
    workers could know of it: when Redis is reachable after an outage, or when its worker resumes after a freeze. It
    does not count if its worker was killed. The ledgers do not say which worker sent a request, so that the 429's own
    worker knows of it sooner is not checked.
    """
    asked = history.asked()
    claims = {each.request.number: each.attempt.claimed for each in asked if each.attempt}
    throttled = [each for each in asked if each.request.status in THROTTLING]
    found = []
    for request in history.requests:
        if request.too_early_by <= 0:
            continue
        claimed = claims.get(request.number, request.arrived)
        thawed = _any(history.faults, {FaultKind.WORKER_FREEZE}, claimed, request.arrived)
        decided = claimed if thawed or request.arrived - claimed <= UNDER_WAY else request.arrived
        if not any(_unknown_throttle(each, request, decided, history) for each in throttled):
            found.append(f"{_shown(request)} came {request.too_early_by:.3f} s too early")
    return found


def one_request_at_a_time(history: History) -> list[str]:
    """There are never two requests at once for one order, whatever was killed or repeated."""
    return [
        f"{_shown(request)} while {request.in_flight} for the same order were under way"
        for request in history.requests
        if request.in_flight > 0
    ]


def no_request_after_the_deadline(history: History) -> list[str]:
    """After its deadline an order is polled at most once more."""
    after = Counter(
        each.order_id
        for each in history.asked()
        if each.order_id in history.final_orders and each.request.arrived > history.final_orders[each.order_id].deadline
    )
    return [f"{order_id}: {count} requests after the deadline" for order_id, count in after.items() if count > 1]


def only_known_orders_are_polled(history: History) -> list[str]:
    """Every request is for a submitted order, with correct credentials."""
    names = {order.name for order in history.submitted.values()}
    return [
        f"{_shown(request)} with {request.auth} credentials"
        for request in history.requests
        if request.auth == "wrong" or (request.kind == "status" and request.name not in names)
    ]


def one_event_per_change(history: History) -> list[str]:
    """The events of each order's status are a path through the state machine that ends at its status."""
    types: dict[str, list[str]] = defaultdict(list)
    for event in history.stream:
        if event.type not in UPDATES:
            types[event.order_id].append(event.type.removeprefix("order."))
    found = [f"event {event_id} occurs {count} times" for event_id, count in _repeated(history.stream)]
    for order_id in history.final_orders.keys() | types.keys():
        route = ["pending", *types[order_id]]
        ended = history.final_orders.get(order_id)
        if not all(after in MAY_BECOME.get(before, ()) for before, after in pairwise(route)):
            found.append(f"{order_id}: invalid path {' -> '.join(route)}")
        elif ended is None or route[-1] != ended.status:
            found.append(
                f"{order_id}: is {ended.status if ended else 'unknown'}, but its events say {' -> '.join(route)}"
            )
    return sorted(found)


def one_alert_per_change(history: History) -> list[str]:
    """The alerts of each account are a path: each begins where the last one ended, and leads to another health."""
    found = [f"alert {alert_id} occurs {count} times" for alert_id, count in _repeated(history.alerts)]
    last: dict[str, str] = {}
    for alert in history.alerts:
        before = last.get(alert.account, "ok")
        if alert.was != before or alert.health == before:
            found.append(f"{alert.account}: {alert.was} -> {alert.health}, after {before}")
        last[alert.account] = alert.health
    return found


def no_event_lost(history: History) -> list[str]:
    """The stream holds exactly the events that the event ledger saw, in the same order."""
    followed, stream = set(history.followed), set(history.stream)
    found = [f"{event.order_id}: {event.type} at {event.cursor} was seen and is gone" for event in followed - stream]
    found += [f"{event.order_id}: {event.type} at {event.cursor} was never seen" for event in stream - followed]
    found += [f"event {event_id} was seen {count} times" for event_id, count in _repeated(history.followed)]
    if not found and history.followed != history.stream:
        found.append("the events were seen in another order")
    return sorted(found)


def rate_never_exceeded(history: History) -> list[str]:
    """In every window an account has at most `burst + limit / period * window` requests, with 0.1 s of jitter.

    The request of a worker that was frozen between claim and request counts from its claim, as its token did.
    """
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    claims = {each.request.number: each.attempt.claimed for each in history.asked() if each.attempt}
    for request in history.status_requests:
        claimed = claims.get(request.number, request.arrived)
        thawed = _any(history.faults, {FaultKind.WORKER_FREEZE}, claimed, request.arrived)
        times[request.account].append(claimed if thawed else request.arrived)
    found = []
    for account, rate in history.rates.items():
        bucket = RateMeter(rate, jitter=JITTER)
        over = [overshoot for at in sorted(times[account]) if (overshoot := bucket.take(at)) > EPSILON]
        if over:
            found.append(
                f"{'/'.join(account)}: {len(over)} requests over the rate, the worst window by {max(over):.2f}"
            )
    return found


def every_uncommitted_poll_is_explained(history: History) -> list[str]:
    """A poll that was never committed was interrupted by a fault, or a push came first."""
    return [
        f"{each.order_id}: {_shown(each.request)} was never committed, and there was no fault"
        for each in history.asked()
        if each.attempt is None and explanation(each, history) is None
    ]


def every_repeated_callback_is_explained(history: History) -> list[str]:
    """A callback that was accepted is repeated only where a fault kept the response from being stored."""
    accepted: dict[str, float] = {}
    found = []
    for message in sorted(history.callbacks, key=lambda message: message.at):
        before = accepted.get(message.id)
        if before is not None and not _any(history.faults, _PREVENT_COMMIT, before, _latest_commit(before, history)):
            found.append(f"{message.order_id}: {message.id} was repeated after it was accepted, and there was no fault")
        if message.accepted:
            accepted[message.id] = message.at
    return found


def every_webhook_gets_a_response(history: History) -> list[str]:
    """A webhook is accepted, or rejected while Redis is unavailable. Only a fault of the API leaves it unanswered."""
    return [
        f"the webhook about {'/'.join(push.name)} at {push.sent:.3f} got {push.status or 'no response'}"
        for push in history.pushes
        if push.status not in _WEBHOOK_RESPONSES
        and (push.status or not _any(history.faults, API_FAULTS, push.sent - API_START, push.sent + API_RESPONSE))
    ]


def every_pdf_is_stored(history: History) -> list[str]:
    """The PDFs of fulfilled orders are in the document store, and the tickets name them."""
    return [
        f"{order_id}: {ended.missing_documents} of its PDFs are not stored"
        for order_id, ended in history.final_orders.items()
        if ended.status == "fulfilled" and ended.missing_documents
    ]


def broker_is_empty(history: History) -> list[str]:
    """No message is left: neither in a queue, nor delayed, nor unacknowledged."""
    return [f"{key}: {count} left" for key, count in history.messages.items() if count]


def indexes_are_empty(history: History) -> list[str]:
    """No work is left: no order is due or held, no callback, document or push is pending."""
    return [f"{key}: {count} left" for key, count in history.indexes.items() if count]


def no_process_crashed(history: History) -> list[str]:
    """Only processes with a fault have ended; an unavailable Redis ends none."""
    return [f"{exited.process} ended with {exited.code}: {exited.words}" for exited in history.exits]


CHECKS: tuple[Check, ...] = (
    every_order_ended_as_scripted,
    no_request_too_early,
    one_request_at_a_time,
    no_request_after_the_deadline,
    only_known_orders_are_polled,
    one_event_per_change,
    one_alert_per_change,
    no_event_lost,
    rate_never_exceeded,
    every_uncommitted_poll_is_explained,
    every_callback_is_genuine,
    callbacks_keep_the_order,
    every_last_event_is_delivered,
    every_backend_knows_its_orders,
    risk_is_notified_in_time,
    every_repeated_callback_is_explained,
    every_webhook_gets_a_response,
    every_pdf_is_stored,
    broker_is_empty,
    indexes_are_empty,
    no_process_crashed,
)


def explanation(asked: PolledOrder, history: History) -> str | None:
    """Return the fault, exit or push that kept a request from being committed, or `None`."""
    start, end = asked.request.arrived - TRAVEL, _latest_commit(asked.request.finished, history)
    named = [
        fault.kind.value for fault in history.faults if fault.kind in _PREVENT_COMMIT and fault.overlaps(start, end)
    ]
    named += [f"{exited.process} ended" for exited in history.exits if start <= exited.at <= end + SETTLE_MARGIN]
    ended = history.final_orders.get(asked.order_id)
    if ended and MAY_BECOME.get(ended.status) == frozenset():
        named += ["ended by a push" for at in ended.pushed if start - SETTLE_MARGIN <= at <= end]
    return named[0] if named else None


def _latest_commit(answered: float, history: History) -> float:
    """Return when a response is committed at the latest; a frozen worker commits it when it resumes."""
    end = answered + SETTLE_MARGIN
    thaws = [
        fault.end + SETTLE_MARGIN
        for fault in history.faults
        if fault.kind is FaultKind.WORKER_FREEZE and fault.overlaps(answered, end)
    ]
    return max([end, *thaws])


def _unknown_throttle(throttled: PolledOrder, request: ProviderRequest, decided: float, history: History) -> bool:
    """Return whether the request may not have known of this 429."""
    gave = throttled.request
    if gave.account != request.account or not -LONGEST_THROTTLE <= gave.finished - request.arrived <= 0:
        return False
    return decided < _known_at(throttled, history)


def _known_at(throttled: PolledOrder, history: History) -> float:
    """Return when all workers knew of a 429 at the latest; never, if its worker was killed before it reported it."""
    answered = throttled.request.finished
    if throttled.attempt is None and _killed(throttled, history):
        return math.inf
    heard = answered
    for fault in sorted(history.faults, key=lambda fault: fault.start):
        # After an outage workers reconnect. A freeze that ends before the response arrives does not matter.
        since = answered if fault.kind is FaultKind.WORKER_FREEZE else answered - RECONNECT
        if fault.kind in _DELAY_THROTTLES and fault.overlaps(since, max(answered + REPORT_TIME, heard)):
            heard = max(heard, fault.end + RECONNECT)
    return heard


def _killed(asked: PolledOrder, history: History) -> bool:
    """Return whether a worker was killed or crashed between a request and its commit."""
    start, end = asked.request.arrived - TRAVEL, _latest_commit(asked.request.finished, history)
    return _any(history.faults, {FaultKind.WORKER_KILL}, start, end) or any(
        start <= exited.at <= end + SETTLE_MARGIN for exited in history.exits
    )


def _any(faults: Iterable[InjectedFault], kinds: Iterable[FaultKind], start: float, end: float) -> bool:
    return any(fault.kind in kinds and fault.overlaps(start, end) for fault in faults)


def _repeated(events: Iterable[StreamEvent | AccountAlert]) -> Iterator[tuple[str, int]]:
    ids = sorted(event.id for event in events)
    counts = ((event_id, len(list(same))) for event_id, same in groupby(ids))
    return ((event_id, count) for event_id, count in counts if count > 1)


def _shown(request: ProviderRequest) -> str:
    return f"request {request.number} ({'/'.join(request.name)}, {request.kind}) at {request.arrived:.3f}"
