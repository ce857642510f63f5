"""When to ask again, and what an outcome does to an order.

`decide` is the whole poll policy as one pure function: it takes the order, what came back, the account's
settings, the time and a source of randomness, and returns a value that says what to write and when to ask
next. The thin shell around it (`willcall.usecases.poll_once`) does what the value says.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Literal

from willcall.orders.hints import FALLBACK_WAIT, announced_until, hint_until, throttled_until
from willcall.orders.model import Attention, DeliverySpeed, Order, Status, Ticket
from willcall.orders.outcomes import (
    Cancelled,
    Declined,
    Issued,
    Malformed,
    Missing,
    NotReady,
    Outcome,
    PartlyIssued,
    Throttled,
    Unauthorized,
    Unavailable,
)
from willcall.orders.states import FINAL, can_become
from willcall.orders.ticket_merging import merge_polled
from willcall.orders.tickets import admits_someone, any_pushed, count_admissions

#: Share of a back-off that is added at random, so that orders submitted together drift apart. A hint has none: the
#: token reservation spreads those who come back at one moment.
JITTER = 0.1
#: No wait grows by more than this through jitter, seconds.
MAX_JITTER = 30.0

#: Unanswered tries after which a late check of a final order is given up.
MAX_UNANSWERED_LATE_CHECKS = 12
#: Refusals of a gateway after which the next one is taken for the order's own.
MAX_GATEWAY_REFUSALS = 2


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """An account's polling settings, in seconds (`[providers.<provider>.<account>.polling]`)."""

    strategy: Literal["exponential", "interval"] = "exponential"
    initial: float = 5.0
    factor: float = 2.0
    cap: float = 600.0
    interval: tuple[float, float] = (300.0, 600.0)
    minimum: float = 1.0
    ceiling: float = 86_400.0
    missing_grace: float = 300.0
    throttle_pause: float = 60.0


class AccountSignal(StrEnum):
    """What an outcome says of the whole account."""

    ANSWERED = "answered"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    MALFORMED = "malformed"


#: Signals by which one order's answer stops the others.
_BIND_THE_ACCOUNT = {AccountSignal.THROTTLED, AccountSignal.UNAUTHORIZED}
#: Signals of answers about the order, so that a late check is done.
_ABOUT_THE_ORDER = {AccountSignal.ANSWERED, AccountSignal.FORBIDDEN, AccountSignal.MALFORMED}


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write and when to look at the order again.

    `order` is the order as it shall be; its `next_poll_at` is the next attempt, None where there is none.
    `wake_at` is when the chain looks at it again: the next attempt, or the deadline at which it expires
    unasked; None where the order is final. `held` says that the account is parked and the order waits for
    that to end. `why` explains the countdown to a person. `account_until` bounds a throttle (epoch seconds).
    """

    order: Order
    wake_at: float | None
    why: str
    signal: AccountSignal
    waits_for_account: bool = False
    account_blocked_until: float | None = None


def decide(order: Order, outcome: Outcome, policy: PollPolicy, now: float, rng: Random) -> Decision:
    """What `outcome`, read at `now`, does to `order`; `order` is as it was when the request was made."""
    order = replace(
        order,
        provider_status=outcome.provider_status or order.provider_status,
        last_poll_at=now,
        attempts=order.attempts + _reached(outcome),
        answered=order.answered + _counts(outcome),
        unanswered_polls=order.unanswered_polls + 1 if isinstance(outcome, Unavailable) else 0,
        forbidden_polls=_refusals(order, outcome),
        missing_since=(order.missing_since or now) if isinstance(outcome, Missing) else None,
        expected=_expected(order, outcome),
    )
    match outcome:
        case Issued(tickets):
            order = _with_tickets(order, tickets)
            return _finish(order, outcome, Status.FULFILLED, None, now)
        case Declined(reason):
            return _finish(order, outcome, Status.FAILED, reason, now)
        case Cancelled(reason):
            return _finish(order, outcome, Status.CANCELLED, reason, now)
        case PartlyIssued(tickets, expected):
            order = _with_tickets(order, tickets)
            if _completed_by_pushes(order, expected):
                return _finish(order, outcome, Status.FULFILLED, None, now)
            if order.status is Status.PENDING and any(map(admits_someone, order.tickets)):
                order = replace(order, status=Status.PARTIAL)
        case NotReady(expected=expected) if _completed_by_pushes(order, expected):
            return _finish(order, outcome, Status.FULFILLED, None, now)
        case NotReady(void=void) if void:
            order = _with_tickets(order, void)
    return _again(order, outcome, policy, now, rng)


def interpret(order: Order, outcome: Outcome, *, others_answered: bool) -> Outcome:
    """Return what an answer about `order` means, with what its last ones meant.

    A gateway that refuses one order several times in a row, while it lets the account's other orders through, refuses
    that order. To throttle the account for it again would hold up the others for nothing.
    """
    if (
        isinstance(outcome, Throttled)
        and outcome.by_gateway
        and others_answered
        and order.forbidden_polls >= MAX_GATEWAY_REFUSALS
    ):
        return Unauthorized(whole_account=False, provider_status=outcome.provider_status, detail=outcome.detail)
    return outcome


def expire(order: Order, now: float) -> Order:
    """The order at its ceiling."""
    return replace(
        order,
        status=Status.EXPIRED,
        reason="no final answer from the provider before the deadline",
        next_poll_at=None,
        finished_at=now,
    )


def cancel(order: Order, now: float) -> Order:
    """The order as its caller wants it: not asked for any more."""
    return replace(
        order,
        status=Status.CANCELLED,
        reason="by the caller",
        attention=None,
        next_poll_at=None,
        finished_at=now,
    )


def earliest_poll_at(order: Order, policy: PollPolicy) -> float:
    """The first moment at which the provider may be asked about the order again: hints and minimum."""
    after_last = -math.inf if order.last_poll_at is None else order.last_poll_at + policy.minimum
    return max(after_last, order.hint_until or -math.inf, order.not_before or -math.inf)


def backoff_seconds(policy: PollPolicy, count: int, *, slow: bool, rng: Random) -> float:
    """Seconds to the next attempt after `count` answered ones, before the minimum and the deadline."""
    if slow:
        low, high = policy.interval
        return rng.uniform(low, high)
    return _with_jitter(_exponential(policy, count), rng)


def _with_tickets(order: Order, tickets: Sequence[Ticket]) -> Order:
    """Return the order with what a poll listed; once it is final, no ticket of it goes away."""
    return replace(order, tickets=merge_polled(order.tickets, tickets, final=order.status in FINAL))


def _expected(order: Order, outcome: Outcome) -> int | None:
    """Return how many tickets the order has by the provider's latest word on it."""
    if isinstance(outcome, NotReady | PartlyIssued) and outcome.expected is not None:
        return outcome.expected
    return order.expected


def _completed_by_pushes(order: Order, expected: int | None) -> bool:
    """Whether the pushed tickets, perhaps with polled ones, are as many as the provider says that there are."""
    return expected is not None and any_pushed(order.tickets) and count_admissions(order.tickets) >= expected


def _finish(order: Order, outcome: Outcome, status: Status, reason: str | None, now: float) -> Decision:
    """A final word of the provider, where the table allows it; else the order stays as it is.

    Its hint holds for whoever asks about the order once more: a person, or the provider's own callback.
    """
    if status is order.status:
        why = "still " + status
    elif can_become(order.status, status):
        order = replace(order, status=status, reason=reason, attention=None, finished_at=now)
        why = reason or status.value
    else:
        why = f"the provider says {status}, yet {order.status} stays"
    hint = hint_until(outcome.retry_after, now, fallback=now + FALLBACK_WAIT)
    return Decision(replace(order, next_poll_at=None, hint_until=hint), None, why, AccountSignal.ANSWERED)


def _again(order: Order, outcome: Outcome, policy: PollPolicy, now: float, rng: Random) -> Decision:
    """No final word: keep asking an open order until its deadline; a late check is repeated until answered."""
    signal = _signal(outcome)
    attention = _attention(order, outcome, policy, now)
    late = order.status in FINAL
    hint = _hint(outcome, signal, policy, now, None if late else order.deadline_at)
    account_until = hint if signal in _BIND_THE_ACCOUNT else None
    order = replace(order, attention=attention, hint_until=hint)
    if late and (signal in _ABOUT_THE_ORDER or order.unanswered_polls >= MAX_UNANSWERED_LATE_CHECKS):
        order = replace(order, next_poll_at=None)
        return Decision(order, None, f"{_reading(outcome)}; stays {order.status}", signal)
    if not late and now >= order.deadline_at:
        why = f"{_reading(outcome)}; the deadline has passed"
        return Decision(expire(order, now), None, why, signal, account_blocked_until=account_until)
    announced = announced_until(outcome.not_before, now)
    floor = max(hint or 0.0, announced or 0.0, now + policy.minimum)
    if hint is not None or announced is not None:
        target, why = floor, "as the provider asked"
    else:
        slow = policy.strategy == "interval" or order.delivery is DeliverySpeed.DELAYED or _slow(attention, outcome)
        count = order.unanswered_polls - 1 if isinstance(outcome, Unavailable) else order.answered - 1
        wait = backoff_seconds(policy, count, slow=slow, rng=rng)
        target, why = now + wait, "interval" if slow else "back-off"
    limit = math.inf if late else order.deadline_at
    if floor > limit:
        order = replace(order, next_poll_at=None)
        why = f"{_reading(outcome)}; no further attempt is allowed before the deadline"
        return Decision(order, order.deadline_at, why, signal, account_blocked_until=account_until)
    due = min(max(floor, target), limit)
    if due == limit:
        why = "last attempt, at the deadline"
    held = signal is AccountSignal.UNAUTHORIZED
    if held:
        why = "waits for the account"
    order = replace(order, next_poll_at=None if held else due)
    return Decision(order, due, f"{_reading(outcome)}; {why}", signal, held, account_until)


def _hint(
    outcome: Outcome, signal: AccountSignal, policy: PollPolicy, now: float, deadline: float | None
) -> float | None:
    """Return the moment before which the provider must not be asked, or `None` where it did not say.

    In place of a wait that is not plausible, an order has one attempt at its `deadline` (`None`: it has ended already).
    What holds up the account is probed sooner, for the others' sake.
    """
    if signal is AccountSignal.THROTTLED:
        return throttled_until(outcome.retry_after, now, policy.throttle_pause)
    fallback = now + FALLBACK_WAIT if signal is AccountSignal.UNAUTHORIZED or deadline is None else deadline
    return hint_until(outcome.retry_after, now, fallback=fallback)


def _attention(order: Order, outcome: Outcome, policy: PollPolicy, now: float) -> Attention | None:
    """Whether a person should look now. An unanswered poll changes nothing of what was known."""
    match outcome:
        case NotReady(attention=attention) | PartlyIssued(attention=attention):
            return attention
        case Missing():
            since = now if order.missing_since is None else order.missing_since
            return Attention.NOT_FOUND if now - since >= policy.missing_grace else None
        case Unauthorized():
            return Attention.UNAUTHORIZED
        case Malformed():
            return Attention.MALFORMED
    return order.attention


def _slow(attention: Attention | None, outcome: Outcome) -> bool:
    """What a person must mend is asked for slowly; an odd answer may right itself at any poll.

    Whether a refused order is still refused, which may be its account's probe, an unanswered poll does not say.
    """
    if attention is Attention.UNAUTHORIZED:
        return not isinstance(outcome, Unavailable)
    return attention in {Attention.NOT_FOUND, Attention.PERSONALIZATION}


def _refusals(order: Order, outcome: Outcome) -> int:
    """The 403s in a row of an order. What is no answer of the provider about it leaves them as they were."""
    match outcome:
        case Unauthorized(whole_account=False) | Throttled(by_gateway=True):
            return order.forbidden_polls + 1
        case Throttled() | Unavailable() | Unauthorized() | Malformed():
            return order.forbidden_polls
    return 0


def _signal(outcome: Outcome) -> AccountSignal:
    match outcome:
        case Throttled():
            return AccountSignal.THROTTLED
        case Unavailable():
            return AccountSignal.UNAVAILABLE
        case Unauthorized(whole_account=whole):
            return AccountSignal.UNAUTHORIZED if whole else AccountSignal.FORBIDDEN
        case Malformed():
            return AccountSignal.MALFORMED
    return AccountSignal.ANSWERED


def _reached(outcome: Outcome) -> bool:
    return not isinstance(outcome, Unavailable) or outcome.request_sent


def _counts(outcome: Outcome) -> bool:
    """Only answered polls lengthen the back-off: throttling and outages say nothing about the order."""
    return not isinstance(outcome, Throttled | Unavailable | Unauthorized)


def _reading(outcome: Outcome) -> str:
    return outcome.detail or outcome.provider_status or type(outcome).__name__


def _exponential(policy: PollPolicy, count: int) -> float:
    """`initial * factor**count`, capped before it is computed where it would overflow."""
    if policy.initial >= policy.cap:
        return policy.cap
    if policy.factor > 1 and count * math.log(policy.factor) >= math.log(policy.cap / policy.initial):
        return policy.cap
    return min(policy.cap, policy.initial * policy.factor ** max(count, 0))


def _with_jitter(wait: float, rng: Random) -> float:
    return wait + rng.uniform(0.0, min(wait * JITTER, MAX_JITTER))
