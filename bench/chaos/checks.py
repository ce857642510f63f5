"""What must hold after a run: each check is a pure function of the history that gives what it finds wrong."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby, pairwise

from bench.chaos.history import Asked, Death, History, Hit, Request, SeenEvent
from bench.chaos.plan import Kind
from simulator.rate import Bucket

Check = Callable[[History], list[str]]

#: Seconds that a worker may take from the provider's answer until the order's new state is written.
SETTLE_MARGIN = 1.0
#: Seconds by which requests of a busy machine bunch up on their way: what the simulator's ledger is told, too.
JITTER = 0.1
#: Seconds of the longest `Retry-After` of a 429 in the scripts, in whole seconds rounded up by dates.
LONGEST_THROTTLE = 3.0
#: Bursts beyond the rate below this are floating-point dust.
DUST = 1e-6

#: What an order may become; written down once more, for this judges the product's own table.
MAY_BECOME: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"partial", "fulfilled", "failed", "cancelled", "expired"}),
    "partial": frozenset({"fulfilled", "failed", "cancelled", "expired"}),
    "fulfilled": frozenset({"cancelled"}),
    "expired": frozenset({"fulfilled", "failed", "cancelled"}),
    "failed": frozenset(),
    "cancelled": frozenset(),
}

#: Hits that can keep an attempt from being written. Neither a freeze, which is shorter than the lease, nor a polite
#: stop, nor a cut connection, which is tried again at once, is an excuse.
_UNSETTLED = frozenset({Kind.WORKER_KILL, Kind.REDIS_KILL, Kind.REDIS_FREEZE})
#: Hits that delay the moment at which others learn what an answer said.
_UNHEARD = _UNSETTLED | {Kind.WORKER_FREEZE}


def every_order_ended_as_scripted(history: History) -> list[str]:
    """No accepted order is lost, and each has the end that the provider gave it."""
    found = []
    for order in history.submitted.values():
        ended = history.ended.get(order.id)
        status = ended.status if ended else "unknown"
        if order.accepted is None:
            found.append(f"{order.id}: nobody accepted it")
        elif status != order.expected:
            found.append(f"{order.id} ({order.name[0]}, {order.way}): {status} instead of {order.expected}")
    return found


def no_request_too_early(history: History) -> list[str]:
    """Nothing is asked before hints, 429 and minimum allow it, beyond the ledger's own grace.

    A request counts from its claim where its worker was frozen since; and a 429 counts once somebody was able to tell
    of it: after the freeze or outage in which it was answered, and not at all where its worker was killed.
    """
    asked = history.asked()
    claims = {each.request.number: each.attempt.claimed for each in asked if each.attempt}
    throttled = [each for each in asked if each.request.status == 429]  # noqa: PLR2004 - the status itself
    found = []
    for request in history.requests:
        if request.too_early_by <= 0:
            continue
        claimed = claims.get(request.number, request.arrived)
        thawed = _any(history.hits, {Kind.WORKER_FREEZE}, claimed, request.arrived)
        decided = claimed if thawed else request.arrived
        if not any(_unheard(each, request, decided, history) for each in throttled):
            found.append(f"{_shown(request)} came {request.too_early_by:.3f} s too early")
    return found


def one_request_at_a_time(history: History) -> list[str]:
    """Never two requests at once for one order, whatever was killed or repeated."""
    return [
        f"{_shown(request)} while {request.in_flight} for the same order were under way"
        for request in history.requests
        if request.in_flight > 0
    ]


def no_request_after_the_deadline(history: History) -> list[str]:
    """After the ceiling an order is asked about once more at most."""
    after = Counter(
        each.order_id
        for each in history.asked()
        if each.order_id in history.ended and each.request.arrived > history.ended[each.order_id].deadline
    )
    return [f"{order_id}: {count} requests after the deadline" for order_id, count in after.items() if count > 1]


def only_known_orders_are_asked_about(history: History) -> list[str]:
    """Every request is for an order that was submitted, with credentials that are right."""
    names = {order.name for order in history.submitted.values()}
    return [
        f"{_shown(request)} with credentials that are {request.auth}"
        for request in history.requests
        if request.auth == "wrong" or (request.kind == "status" and request.name not in names)
    ]


def one_event_per_change(history: History) -> list[str]:
    """Per order the events tell a way through the state machine that ends where the order stands."""
    told: dict[str, list[str]] = defaultdict(list)
    for event in history.stream:
        told[event.order_id].append(event.type.removeprefix("order."))
    found = [f"event {event_id} is there {count} times" for event_id, count in _repeated(history.stream)]
    for order_id in history.ended.keys() | told.keys():
        way = ["pending", *told[order_id]]
        ended = history.ended.get(order_id)
        if not all(after in MAY_BECOME.get(before, ()) for before, after in pairwise(way)):
            found.append(f"{order_id}: no way that an order goes: {' -> '.join(way)}")
        elif ended is None or way[-1] != ended.status:
            found.append(f"{order_id}: is {ended.status if ended else 'unknown'}, but was told {' -> '.join(way)}")
    return sorted(found)


def no_event_lost(history: History) -> list[str]:
    """What the event ledger saw is what the stream holds, entry by entry and in the same order."""
    followed, stream = set(history.followed), set(history.stream)
    found = [f"{event.order_id}: {event.type} at {event.cursor} was seen and is gone" for event in followed - stream]
    found += [f"{event.order_id}: {event.type} at {event.cursor} was never seen" for event in stream - followed]
    found += [f"event {event_id} was seen {count} times" for event_id, count in _repeated(history.followed)]
    if not found and history.followed != history.stream:
        found.append("the events were seen in another order")
    return sorted(found)


def tokens_never_exceeded(history: History) -> list[str]:
    """Over every window, an account's requests stay within `burst + limit / period * window`, and 0.1 s of jitter.

    A request of a worker that was frozen between claim and request counts when it was claimed, as its token did.
    """
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    claims = {each.request.number: each.attempt.claimed for each in history.asked() if each.attempt}
    for request in history.status_requests:
        claimed = claims.get(request.number, request.arrived)
        thawed = _any(history.hits, {Kind.WORKER_FREEZE}, claimed, request.arrived)
        times[request.account].append(claimed if thawed else request.arrived)
    found = []
    for account, rate in history.rates.items():
        bucket = Bucket(rate, jitter=JITTER)
        over = [overshoot for at in sorted(times[account]) if (overshoot := bucket.take(at)) > DUST]
        if over:
            found.append(
                f"{'/'.join(account)}: {len(over)} requests over the rate, the worst window by {max(over):.2f}"
            )
    return found


def every_repeat_is_explained(history: History) -> list[str]:
    """A request whose attempt was never written was cut by a hit between claim and settle."""
    return [
        f"{each.order_id}: {_shown(each.request)} was never settled, and nothing was hit then"
        for each in history.asked()
        if each.attempt is None and explanation(each, history.hits, history.deaths) is None
    ]


def broker_is_empty(history: History) -> list[str]:
    """No message is left in a queue, waiting, or fetched and not acknowledged."""
    return [f"{key}: {count} left" for key, count in history.messages.items() if count]


def indexes_are_empty(history: History) -> list[str]:
    """No order is due or held any more."""
    return [f"{key}: {count} left" for key, count in history.indexes.items() if count]


def nothing_died_by_itself(history: History) -> list[str]:
    """Only what was hit has ended: a Redis that goes away is no reason to die."""
    return [f"{death.process} ended with {death.code}: {death.words}" for death in history.deaths]


CHECKS: tuple[Check, ...] = (
    every_order_ended_as_scripted,
    no_request_too_early,
    one_request_at_a_time,
    no_request_after_the_deadline,
    only_known_orders_are_asked_about,
    one_event_per_change,
    no_event_lost,
    tokens_never_exceeded,
    every_repeat_is_explained,
    broker_is_empty,
    indexes_are_empty,
    nothing_died_by_itself,
)


def explanation(asked: Asked, hits: Iterable[Hit], deaths: Iterable[Death] = ()) -> str | None:
    """The hit, or the death, that kept a request from being settled; None where there is none."""
    start, end = asked.request.arrived, asked.request.finished + SETTLE_MARGIN
    named = [hit.kind.value for hit in hits if hit.kind in _UNSETTLED and hit.meets(start, end)]
    named += [f"{death.process} died" for death in deaths if start <= death.at <= end + SETTLE_MARGIN]
    return named[0] if named else None


def _unheard(throttled: Asked, request: Request, decided: float, history: History) -> bool:
    """Whether it may be this 429 that the request could not know of."""
    gave, hits = throttled.request, history.hits
    if gave.account != request.account or not -LONGEST_THROTTLE <= gave.finished - request.arrived <= 0:
        return False
    if decided < gave.finished:
        return True
    if throttled.attempt is None:
        return explanation(throttled, hits, history.deaths) is not None
    meeting = [
        hit.end for hit in hits if hit.kind in _UNHEARD and hit.meets(gave.arrived, gave.finished + SETTLE_MARGIN)
    ]
    return decided < max(meeting, default=0.0) + SETTLE_MARGIN


def _any(hits: Iterable[Hit], kinds: Iterable[Kind], start: float, end: float) -> bool:
    return any(hit.kind in kinds and hit.meets(start, end) for hit in hits)


def _repeated(events: Iterable[SeenEvent]) -> Iterator[tuple[str, int]]:
    ids = sorted(event.id for event in events)
    counts = ((event_id, len(list(same))) for event_id, same in groupby(ids))
    return ((event_id, count) for event_id, count in counts if count > 1)


def _shown(request: Request) -> str:
    return f"request {request.number} ({'/'.join(request.name)}, {request.kind}) at {request.arrived:.3f}"
