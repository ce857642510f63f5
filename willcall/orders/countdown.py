"""The countdown: when an order is polled next.

The rules, in this order:

1. The provider's hint (`Retry-After`, or an announced date): not earlier, and to the second.
2. The account's `minimum` between two polls of one order: not earlier.
3. Without a hint: exponential back-off, or a random time within `interval`.
4. The deadline: a back-off past it becomes one last attempt at the deadline. If a hint or the minimum passes it, there
   is no further attempt.

Example, with the default settings (5 s, factor 2, up to 600 s) and a deadline 24 hours ahead: after the first answer
without tickets the order is polled in 5 to 5.5 s (jitter adds up to 10 %), then in 10 to 11 s, 20 to 22 s, ... and from
the eighth answer on in 600 to 630 s. An answer with `Retry-After: 90` makes it exactly 90 s, whatever the back-off was.
With 200 s left, a back-off of 600 s becomes a last attempt in 200 s, and `Retry-After: 300` ends the polling.
"""

import math
from dataclasses import dataclass
from random import Random

from willcall.orders.hints import announced_until
from willcall.orders.model import FINAL, Attention, DeliverySpeed, Order
from willcall.orders.outcomes import Malformed, Outcome, Unavailable
from willcall.orders.policy import PollPolicy

#: Share of a back-off that is added at random, so that orders submitted together drift apart. Hints get no jitter:
#: the token reservation already spreads orders that are due at the same moment.
JITTER = 0.1
#: Jitter never adds more than this many seconds.
MAX_JITTER = 30.0


@dataclass(frozen=True, slots=True)
class NextPoll:
    """When to poll again (epoch seconds), and why. `at` is `None` if the deadline allows no further attempt."""

    at: float | None
    why: str


def next_poll(order: Order, outcome: Outcome, policy: PollPolicy, now: float, rng: Random) -> NextPoll:
    """Return when to poll again after `outcome`.

    `order` already has the counters, attention and `hint_until` that the outcome changed. A final order has no
    deadline: it is polled to see whether the provider still says the same.
    """
    limit = math.inf if order.status in FINAL else order.deadline_at
    announced = announced_until(outcome.not_before, now)
    floor = max(order.hint_until or 0.0, announced or 0.0, now + policy.minimum)
    if floor > limit:
        return NextPoll(None, "no further attempt is allowed before the deadline")
    if order.hint_until is not None or announced is not None:
        due, why = floor, "as the provider asked"
    else:
        slow = (
            policy.strategy == "interval" or order.delivery is DeliverySpeed.DELAYED or _needs_operator(order, outcome)
        )
        count = order.unanswered_polls - 1 if isinstance(outcome, Unavailable) else order.answered_polls - 1
        due = min(max(floor, now + backoff_seconds(policy, count, slow=slow, rng=rng)), limit)
        why = "interval" if slow else "back-off"
    return NextPoll(due, "last attempt, at the deadline" if due == limit else why)


def earliest_poll_at(order: Order, policy: PollPolicy) -> float:
    """Return the first moment at which the order may be polled again on request."""
    after_last = -math.inf if order.last_poll_at is None else order.last_poll_at + policy.minimum
    return max(after_last, order.hint_until or -math.inf, order.not_before or -math.inf)


def backoff_seconds(policy: PollPolicy, count: int, *, slow: bool, rng: Random) -> float:
    """Return the wait after `count` earlier answered polls; `slow` draws it from the policy's interval."""
    if slow:
        return rng.uniform(*policy.interval)
    wait = _exponential(policy, count)
    return wait + rng.uniform(0.0, min(wait * JITTER, MAX_JITTER))


def _exponential(policy: PollPolicy, count: int) -> float:
    """Return `initial * factor**count`, at most `cap`. The logarithms keep a large `count` from overflowing."""
    if policy.initial >= policy.cap:
        return policy.cap
    if policy.factor > 1 and count * math.log(policy.factor) >= math.log(policy.cap / policy.initial):
        return policy.cap
    return min(policy.cap, policy.initial * policy.factor ** max(count, 0))


def _needs_operator(order: Order, outcome: Outcome) -> bool:
    """Return whether to poll slowly, because only an operator or the customer can help.

    Not after an answer that could not be read: the next one may be readable. But a request that the provider rejects as
    wrong will be rejected again. Nor after an outage of a rejected account, because it does not show whether the key is
    still rejected.
    """
    if isinstance(outcome, Malformed) and outcome.rejected:
        return True
    if order.attention is Attention.UNAUTHORIZED:
        return not isinstance(outcome, Unavailable)
    return order.attention in {Attention.NOT_FOUND, Attention.PERSONALIZATION, Attention.APPROVAL}
