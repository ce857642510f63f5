"""What must hold after a run: each check is a pure function of the history that gives what it finds wrong."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby, pairwise

from bench.chaos.faults import OUTAGES, FaultKind
from bench.chaos.history import (
    AccountAlert,
    CallbackMessage,
    History,
    InjectedFault,
    PolledOrder,
    ProviderRequest,
    StreamEvent,
)
from willcall.simulator.accounts import RateMeter

Check = Callable[[History], list[str]]

#: Seconds that a worker may take from the provider's answer until the order's new state is written: its documents are
#: fetched before, some of them behind redirects.
SETTLE_MARGIN = 3.0
#: Seconds by which requests of a busy machine bunch up on their way: what the simulator's ledger is told, too.
JITTER = 0.1
#: Seconds that a request may be on its way: a provider reads it even where its worker was killed meanwhile.
TRAVEL = 0.08
#: Seconds that a worker of a busy machine may take from its claim to the provider. What others learn meanwhile cannot
#: hold the request back any more.
UNDER_WAY = 0.5
#: Seconds of the longest `Retry-After` of a 429 in the scripts: 2, where a date is rounded up and its `Date` down.
LONGEST_THROTTLE = 4.0
#: Statuses that may stop a whole account.
THROTTLING = frozenset({403, 429})
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
_UNSETTLED = OUTAGES | {FaultKind.WORKER_KILL}
#: Hits after which the API is not there for a while.
API_HITS = frozenset({FaultKind.API_KILL, FaultKind.API_TERM})
#: Seconds that the next API may take to start, on a busy machine; and that a call may wait for its answer.
API_START, API_ANSWER = 10.0, 15.0
#: What a provider is answered: its call is taken, or Redis is away.
_ANSWERS = {200, 503}

#: Hits that delay the moment at which others learn what an answer said: nobody can be told, or nobody tells.
_UNHEARD = OUTAGES | {FaultKind.WORKER_FREEZE}
#: Seconds after such a hit until everybody has learned: the longest wait between two tries to tell (0.5 s), and what
#: connections take, all of which are made anew then, on a busy machine.
RECONNECT = 1.0
#: Seconds in which a 429 is told where nothing is hit: the ledger's own grace. What is hit later delays it no more.
TELLING = 0.25


def every_order_ended_as_scripted(history: History) -> list[str]:
    """No accepted order is lost, and each has the end that the provider gave it."""
    found = []
    for order in history.submitted.values():
        ended = history.final_orders.get(order.id)
        status = ended.status if ended else "unknown"
        if order.accepted is None:
            found.append(f"{order.id}: nobody accepted it")
        elif status != order.expected:
            found.append(f"{order.id} ({order.name[0]}, {order.way}): {status} instead of {order.expected}")
    return found


def no_request_too_early(history: History) -> list[str]:
    """Nothing is asked before hints, 429 and minimum allow it, beyond the ledger's own grace.

    A request counts from its claim where that was just before, or its worker was frozen since; and a 429 counts once
    others could be told of it: when Redis can be reached again after an outage, or its worker goes on after a freeze;
    and not at all where its worker was killed. That the 429's own worker knows sooner, no ledger shows: which worker
    sent a request is in none.
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
        if each.order_id in history.final_orders and each.request.arrived > history.final_orders[each.order_id].deadline
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
    types: dict[str, list[str]] = defaultdict(list)
    for event in history.stream:
        types[event.order_id].append(event.type.removeprefix("order."))
    found = [f"event {event_id} is there {count} times" for event_id, count in _repeated(history.stream)]
    for order_id in history.final_orders.keys() | types.keys():
        way = ["pending", *types[order_id]]
        ended = history.final_orders.get(order_id)
        if not all(after in MAY_BECOME.get(before, ()) for before, after in pairwise(way)):
            found.append(f"{order_id}: no way that an order goes: {' -> '.join(way)}")
        elif ended is None or way[-1] != ended.status:
            found.append(f"{order_id}: is {ended.status if ended else 'unknown'}, but was told {' -> '.join(way)}")
    return sorted(found)


def one_alert_per_change(history: History) -> list[str]:
    """Per account operators are told a way on which each step begins where the last one ended, and leads elsewhere."""
    found = [f"alert {alert_id} is there {count} times" for alert_id, count in _repeated(history.alerts)]
    last: dict[str, str] = {}
    for alert in history.alerts:
        before = last.get(alert.account, "ok")
        if alert.was != before or alert.health == before:
            found.append(f"{alert.account}: told to be {alert.health}, having been {alert.was}, after {before}")
        last[alert.account] = alert.health
    return found


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
        thawed = _any(history.faults, {FaultKind.WORKER_FREEZE}, claimed, request.arrived)
        times[request.account].append(claimed if thawed else request.arrived)
    found = []
    for account, rate in history.rates.items():
        bucket = RateMeter(rate, jitter=JITTER)
        over = [overshoot for at in sorted(times[account]) if (overshoot := bucket.take(at)) > DUST]
        if over:
            found.append(
                f"{'/'.join(account)}: {len(over)} requests over the rate, the worst window by {max(over):.2f}"
            )
    return found


def every_repeat_is_explained(history: History) -> list[str]:
    """A request whose attempt was never written was cut by a hit between claim and settle, or a push came first."""
    return [
        f"{each.order_id}: {_shown(each.request)} was never settled, and nothing was hit then"
        for each in history.asked()
        if each.attempt is None and explanation(each, history) is None
    ]


def only_true_messages_are_told(history: History) -> list[str]:
    """Every callback is signed, is an event of the stream, and went to the backend of that event's order."""
    orders = {event.id: event.order_id for event in history.stream}
    return [
        f"message {message.id} to the backend of {message.order_id} is {wrong}"
        for message in history.callbacks
        for wrong, is_so in (
            ("not signed", not message.verified),
            ("no event of the stream", message.id not in orders),
            (
                "of another order",
                not message.order_id == message.body_order_id == orders.get(message.id, message.body_order_id),
            ),
        )
        if is_so
    ]


def messages_keep_the_order(history: History) -> list[str]:
    """No backend hears of an event, for the first time or again, after it has heard of a later one of that order."""
    places = {event.id: place for place, event in enumerate(history.stream)}
    by_order: dict[str, list[CallbackMessage]] = defaultdict(list)
    for message in sorted(history.callbacks, key=lambda message: message.at):
        if message.id in places:
            by_order[message.order_id].append(message)
    return [
        f"{order_id}: {after.id} came after {before.id}, which is later"
        for order_id, messages in by_order.items()
        for before, after in pairwise(messages)
        if places[after.id] < places[before.id]
    ]


def every_last_event_is_delivered(history: History) -> list[str]:
    """Whatever was superseded, the backend of each order has taken the event that is true."""
    taken = {message.id for message in history.callbacks if message.taken}
    last = {event.order_id: event for event in history.stream}
    return [
        f"{order_id}: {event.type} ({event.id}) was never taken"
        for order_id, event in last.items()
        if order_id in history.submitted and event.id not in taken
    ]


def every_repeated_message_is_explained(history: History) -> list[str]:
    """A message that was taken comes again only where a hit kept the answer from being written."""
    taken: dict[str, float] = {}
    found = []
    for message in sorted(history.callbacks, key=lambda message: message.at):
        before = taken.get(message.id)
        if before is not None and not _any(history.faults, _UNSETTLED, before, _settled_by(before, history)):
            found.append(f"{message.order_id}: {message.id} came again after it was taken, and nothing was hit then")
        if message.taken:
            taken[message.id] = message.at
    return found


def every_call_of_a_provider_is_answered(history: History) -> list[str]:
    """A provider's call is taken, or put off while Redis is away; only a hit API gives no answer."""
    return [
        f"the call about {'/'.join(push.name)} at {push.sent:.3f} got {push.status or 'no answer'}"
        for push in history.pushes
        if push.status not in _ANSWERS
        and (push.status or not _any(history.faults, API_HITS, push.sent - API_START, push.sent + API_ANSWER))
    ]


def every_pdf_is_kept(history: History) -> list[str]:
    """The PDFs of fulfilled orders are in the document store, and their tickets name them."""
    return [
        f"{order_id}: {ended.missing_documents} of its PDFs are not kept"
        for order_id, ended in history.final_orders.items()
        if ended.status == "fulfilled" and ended.missing_documents
    ]


def broker_is_empty(history: History) -> list[str]:
    """No message is left in a queue, waiting, or fetched and not acknowledged."""
    return [f"{key}: {count} left" for key, count in history.messages.items() if count]


def indexes_are_empty(history: History) -> list[str]:
    """No order is due or held any more, no backend to be told, no document to be fetched, no push without its order."""
    return [f"{key}: {count} left" for key, count in history.indexes.items() if count]


def nothing_died_by_itself(history: History) -> list[str]:
    """Only what was hit has ended: a Redis that goes away is no reason to die."""
    return [f"{death.process} ended with {death.code}: {death.words}" for death in history.exits]


CHECKS: tuple[Check, ...] = (
    every_order_ended_as_scripted,
    no_request_too_early,
    one_request_at_a_time,
    no_request_after_the_deadline,
    only_known_orders_are_asked_about,
    one_event_per_change,
    one_alert_per_change,
    no_event_lost,
    tokens_never_exceeded,
    every_repeat_is_explained,
    only_true_messages_are_told,
    messages_keep_the_order,
    every_last_event_is_delivered,
    every_repeated_message_is_explained,
    every_call_of_a_provider_is_answered,
    every_pdf_is_kept,
    broker_is_empty,
    indexes_are_empty,
    nothing_died_by_itself,
)


def explanation(asked: PolledOrder, history: History) -> str | None:
    """The hit, the death, or the final word pushed meanwhile, that kept a request from being settled; None: nothing."""
    start, end = asked.request.arrived - TRAVEL, _settled_by(asked.request.finished, history)
    named = [hit.kind.value for hit in history.faults if hit.kind in _UNSETTLED and hit.overlaps(start, end)]
    named += [f"{death.process} died" for death in history.exits if start <= death.at <= end + SETTLE_MARGIN]
    ended = history.final_orders.get(asked.order_id)
    if ended and MAY_BECOME.get(ended.status) == frozenset():
        named += ["ended by a push" for at in ended.pushed if start - SETTLE_MARGIN <= at <= end]
    return named[0] if named else None


def _settled_by(answered: float, history: History) -> float:
    """When an answer is written at the latest; a worker that is frozen meanwhile writes it when it goes on."""
    end = answered + SETTLE_MARGIN
    thaws = [
        hit.end + SETTLE_MARGIN
        for hit in history.faults
        if hit.kind is FaultKind.WORKER_FREEZE and hit.overlaps(answered, end)
    ]
    return max([end, *thaws])


def _unheard(throttled: PolledOrder, request: ProviderRequest, decided: float, history: History) -> bool:
    """Whether it may be this 429 that the request could not know of."""
    gave = throttled.request
    if gave.account != request.account or not -LONGEST_THROTTLE <= gave.finished - request.arrived <= 0:
        return False
    return decided < _heard(throttled, history)


def _heard(throttled: PolledOrder, history: History) -> float:
    """When everybody knew of a 429 at the latest; never, where its worker was killed before it told anybody."""
    answered = throttled.request.finished
    if throttled.attempt is None and _killed(throttled, history):
        return math.inf
    heard = answered
    for hit in sorted(history.faults, key=lambda hit: hit.start):
        # After an outage connections are made anew; a worker that goes on before the answer comes is as any other.
        since = answered if hit.kind is FaultKind.WORKER_FREEZE else answered - RECONNECT
        if hit.kind in _UNHEARD and hit.overlaps(since, max(answered + TELLING, heard)):
            heard = max(heard, hit.end + RECONNECT)
    return heard


def _killed(asked: PolledOrder, history: History) -> bool:
    """Whether a worker was killed, or died, between a request and when what it brought is written."""
    start, end = asked.request.arrived - TRAVEL, _settled_by(asked.request.finished, history)
    return _any(history.faults, {FaultKind.WORKER_KILL}, start, end) or any(
        start <= death.at <= end + SETTLE_MARGIN for death in history.exits
    )


def _any(hits: Iterable[InjectedFault], kinds: Iterable[FaultKind], start: float, end: float) -> bool:
    return any(hit.kind in kinds and hit.overlaps(start, end) for hit in hits)


def _repeated(events: Iterable[StreamEvent | AccountAlert]) -> Iterator[tuple[str, int]]:
    ids = sorted(event.id for event in events)
    counts = ((event_id, len(list(same))) for event_id, same in groupby(ids))
    return ((event_id, count) for event_id, count in counts if count > 1)


def _shown(request: ProviderRequest) -> str:
    return f"request {request.number} ({'/'.join(request.name)}, {request.kind}) at {request.arrived:.3f}"
