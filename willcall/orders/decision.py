"""What an outcome does to an order: the poll policy as one pure function.

`decide` takes the order, the outcome of a poll, the account's settings, the time and a source of randomness. It returns
what to write and when to poll next; `willcall.usecases.poll_once` carries that out. The timing rules are in
`countdown.py`, the statuses that an order can move to in `model.TRANSITIONS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from willcall.orders.completion import is_completed_by_hand
from willcall.orders.countdown import next_poll
from willcall.orders.hints import FALLBACK_WAIT, announced_until, hint_until, throttled_until
from willcall.orders.model import (
    CANCELLED_REASON,
    FINAL,
    Attention,
    EndedBy,
    Order,
    Status,
    Ticket,
    can_become,
)
from willcall.orders.order_documents import merge_documents
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
    attention_of,
)
from willcall.orders.policy import PollPolicy
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import admits_someone, any_pushed
from willcall.orders.ticket_ids import with_ids
from willcall.orders.ticket_merging import merge_polled
from willcall.orders.watching import watched_until

#: A final order is polled once more to confirm its status. It is given up after this many polls without an answer.
MAX_UNANSWERED_LATE_CHECKS = 12
#: After this many 403s from a gateway, the next one counts as a refusal of the order itself.
MAX_GATEWAY_REFUSALS = 2


class AccountSignal(StrEnum):
    """What an outcome says about the whole account."""

    ANSWERED = "answered"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    MALFORMED = "malformed"


#: Signals with which the answer for one order stops the account's other orders.
_BLOCKS_THE_ACCOUNT = {AccountSignal.THROTTLED, AccountSignal.UNAUTHORIZED}
#: Signals of an answer about the order itself, which completes a late check.
_ABOUT_THE_ORDER = {AccountSignal.ANSWERED, AccountSignal.FORBIDDEN, AccountSignal.MALFORMED}


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write, and when to look at the order again.

    `order` is the order after the change; its `next_poll_at` is the next attempt or `None`. `wake_at` is when the poll
    chain continues: the next attempt, or the deadline at which the order expires without one; `None` once it is final.
    `waits_for_account` orders are polled when their account has recovered. `why` explains the countdown in the
    timeline. `account_blocked_until` (epoch seconds) is when a throttled or unauthorized account may be polled again.
    """

    order: Order
    wake_at: float | None
    why: str
    signal: AccountSignal
    waits_for_account: bool = False
    account_blocked_until: float | None = None


def decide(order: Order, outcome: Outcome, policy: PollPolicy, now: float, rng: Random) -> Decision:
    """Return what `outcome`, received at `now`, does to `order` as it was when the request was made."""
    order = replace(
        order,
        provider_status=outcome.provider_status or order.provider_status,
        last_poll_at=now,
        attempts=order.attempts + _request_sent(outcome),
        answered_polls=order.answered_polls + _is_answered(outcome),
        unanswered_polls=order.unanswered_polls + 1 if isinstance(outcome, Unavailable) else 0,
        forbidden_polls=_forbidden_polls(order, outcome),
        missing_since=(order.missing_since or now) if isinstance(outcome, Missing) else None,
        expected=_expected(order, outcome),
        documents=merge_documents(order.documents, outcome.documents),
    )
    order = _with_announcement(_reopened(order, outcome, policy, now), outcome, policy, now)
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
    return _keep_polling(order, outcome, policy, now, rng)


def interpret(order: Order, outcome: Outcome, *, others_answered: bool) -> Outcome:
    """Return the outcome, adjusted by the order's credentials and its previous outcomes.

    If the credentials of one user are rejected, that is no trouble of the account.
    If a gateway rejects one order several times in a row but accepts the account's others, it rejects that order.
    Throttling the account again would delay the others for nothing.
    """
    if order.user_bound and isinstance(outcome, Unauthorized):
        return replace(outcome, whole_account=False, detail="the credentials of its user were rejected")
    repeated = order.forbidden_polls >= MAX_GATEWAY_REFUSALS
    if isinstance(outcome, Throttled) and outcome.by_gateway and others_answered and repeated:
        return Unauthorized(whole_account=False, provider_status=outcome.provider_status, detail=outcome.detail)
    return outcome


def expire(order: Order, now: float) -> Order:
    """Return the order as it is after its deadline."""
    return replace(
        order,
        status=Status.EXPIRED,
        reason="no final answer from the provider before the deadline",
        next_poll_at=None,
        finished_at=now,
        ended_by=EndedBy.DEADLINE,
    )


def cancel(order: Order, now: float, by: EndedBy) -> Order:
    """Return the order as cancelled by its caller or an operator; it is no longer polled."""
    return replace(
        order,
        status=Status.CANCELLED,
        reason=CANCELLED_REASON,
        attention=None,
        next_poll_at=None,
        finished_at=now,
        ended_by=by,
    )


def _reopened(order: Order, outcome: Outcome, policy: PollPolicy, now: float) -> Order:
    """Return a cancelled order whose customer came back as an open one, if the provider has revived it.

    A provider may cancel an order after a failed payment and revive it when the customer tries again.
    """
    if (
        order.status is not Status.CANCELLED
        or order.returned_at is None
        or isinstance(outcome, Throttled | Unavailable)
    ):
        return order
    order = replace(order, returned_at=None)
    if not isinstance(outcome, Issued | PartlyIssued | NotReady):
        return order
    return replace(
        order,
        status=Status.PENDING,
        reason=None,
        ended_by=None,
        finished_at=None,
        answered_polls=1,
        deadline_at=max(order.deadline_at, now + policy.ceiling),
    )


def _with_tickets(order: Order, tickets: Sequence[Ticket]) -> Order:
    merged = merge_polled(order.tickets, tickets, final=order.status in FINAL)
    return replace(order, tickets=with_ids(merged, order.tickets))


def _with_announcement(order: Order, outcome: Outcome, policy: PollPolicy, now: float) -> Order:
    """Return the order with the date at which the provider says that it will issue, and the deadline that follows.

    The ceiling then counts from that date. A date that moves moves the deadline with it, but never to before the
    ceiling after submission (or `not_before`). An implausible date is ignored.
    """
    announced = announced_until(outcome.not_before, now)
    if announced is None or order.status in FINAL:
        return order
    start = max(order.submitted_at, order.not_before or 0.0, announced)
    return replace(order, expected_at=announced, deadline_at=start + policy.ceiling)


def _expected(order: Order, outcome: Outcome) -> int | None:
    """Return how many tickets the order has, by the provider's latest answer with a number."""
    if isinstance(outcome, NotReady | PartlyIssued) and outcome.expected is not None:
        return outcome.expected
    return order.expected


def _completed_by_pushes(order: Order, expected: int | None) -> bool:
    """Return whether pushed tickets, with polled ones if any, are as many as the provider announces."""
    return expected is not None and any_pushed(order.tickets) and count_admissions(order.tickets) >= expected


def _finish(order: Order, outcome: Outcome, status: Status, reason: str | None, now: float) -> Decision:
    """Make the order final if its status allows it; otherwise leave it unchanged.

    The hint of the answer is stored, because an operator or a webhook may request another poll.
    """
    if status is order.status:
        why = "still " + status
    elif can_become(order.status, status) and not is_completed_by_hand(order):
        order = replace(order, status=status, reason=reason, attention=None, finished_at=now, ended_by=EndedBy.PROVIDER)
        why = reason or status.value
    else:
        why = f"the provider says {status}, yet {order.status} stays"
    hint = hint_until(outcome.retry_after, now, fallback=now + FALLBACK_WAIT)
    return Decision(replace(order, next_poll_at=None, hint_until=hint), None, why, AccountSignal.ANSWERED)


def _keep_polling(order: Order, outcome: Outcome, policy: PollPolicy, now: float, rng: Random) -> Decision:
    """Schedule the next poll: of an open order until its deadline, of a final one until the provider answers."""
    signal = _signal(outcome)
    final = order.status in FINAL
    hint = _hint(outcome, signal, policy, now, None if final else order.deadline_at)
    blocked_until = hint if signal in _BLOCKS_THE_ACCOUNT else None
    needs = outcome.needs if isinstance(outcome, NotReady | PartlyIssued) else order.needs
    attention = _attention(order, outcome, policy, now)
    order = replace(order, attention=attention, needs=needs, hint_until=hint, next_poll_at=None)
    summary = outcome.detail or outcome.provider_status or type(outcome).__name__
    if final and (signal in _ABOUT_THE_ORDER or order.unanswered_polls >= MAX_UNANSWERED_LATE_CHECKS):
        return Decision(order, None, f"{summary}; stays {order.status}", signal)
    if not final and now >= order.deadline_at:
        why = f"{summary}; the deadline has passed"
        return Decision(expire(order, now), None, why, signal, account_blocked_until=blocked_until)
    following = next_poll(order, outcome, policy, now, rng)
    until = watched_until(order)
    watched = order.status is Status.FULFILLED and (order.event_at is not None or now < until)
    # An account that rejects us would hold the order, perhaps beyond its event. The next check comes anyway.
    if watched and (signal is AccountSignal.UNAUTHORIZED or (following.at or 0.0) >= until):
        why = f"{summary}; no retry, as it is only watched"
        return Decision(order, None, why, signal, account_blocked_until=blocked_until)
    if following.at is None:
        why = f"{summary}; {following.why}"
        return Decision(order, order.deadline_at, why, signal, account_blocked_until=blocked_until)
    if signal is AccountSignal.UNAUTHORIZED:
        return Decision(order, following.at, f"{summary}; waits for the account", signal, True, blocked_until)
    order = replace(order, next_poll_at=following.at)
    return Decision(order, following.at, f"{summary}; {following.why}", signal, False, blocked_until)


def _hint(
    outcome: Outcome, signal: AccountSignal, policy: PollPolicy, now: float, deadline: float | None
) -> float | None:
    """Return the moment before which the provider must not be polled, or `None` if it named none.

    Instead of an implausible wait, an order gets one attempt at its `deadline` (`None` for a final order). If the wait
    blocks the account, the next attempt is earlier, so that other orders do not wait.
    """
    if signal is AccountSignal.THROTTLED:
        return throttled_until(outcome.retry_after, now, policy.throttle_pause)
    fallback = now + FALLBACK_WAIT if signal is AccountSignal.UNAUTHORIZED or deadline is None else deadline
    return hint_until(outcome.retry_after, now, fallback=fallback)


def _attention(order: Order, outcome: Outcome, policy: PollPolicy, now: float) -> Attention | None:
    """Return why the order needs attention now. A poll without an answer changes nothing.

    Nobody needs to look at an order that has its tickets, whatever a later poll answers.
    """
    if order.status is Status.FULFILLED:
        return order.attention
    match outcome:
        case NotReady() | PartlyIssued():
            return attention_of(outcome)
        case Missing():
            since = now if order.missing_since is None else order.missing_since
            return Attention.NOT_FOUND if now - since >= policy.missing_grace else None
        case Unauthorized():
            return Attention.UNAUTHORIZED
        case Malformed():
            return Attention.MALFORMED
    return order.attention


def _forbidden_polls(order: Order, outcome: Outcome) -> int:
    """Return the order's 403s in a row. Outcomes that say nothing about the order leave the number unchanged."""
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
        case Malformed(rejected=False):
            return AccountSignal.MALFORMED
    return AccountSignal.ANSWERED


def _request_sent(outcome: Outcome) -> bool:
    return not isinstance(outcome, Unavailable) or outcome.request_sent


def _is_answered(outcome: Outcome) -> bool:
    """Return whether the poll lengthens the back-off: throttling and outages say nothing about the order."""
    return not isinstance(outcome, Throttled | Unavailable | Unauthorized)
