"""The poll policy, for any order, outcome and settings."""

import math
from dataclasses import replace
from random import Random

from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.property.strategies import (
    NOW,
    answers_to_wait_for,
    final_words,
    orders,
    outcomes,
    policies,
)
from willcall.orders.countdown import backoff_seconds, earliest_poll_at
from willcall.orders.decision import AccountSignal, decide
from willcall.orders.model import FINAL, OPEN, TRANSITIONS, Attention, Order, Status, can_become
from willcall.orders.outcomes import Outcome, Throttled, Unauthorized, Unavailable
from willcall.orders.policy import PollPolicy

ANY_ORDER = Order("ord-1", "tiqets", "default", "r", Status.PENDING, NOW - 10, NOW + 100)

randoms = st.integers(0, 2**32).map(Random)


DAY, HOUR = 86_400.0, 3_600.0


def deadline_of(order: Order, outcome: Outcome, policy: PollPolicy) -> float:
    """The deadline after an outcome: the ceiling counts from a plausible date that the provider announces."""
    announced = outcome.not_before or 0.0
    if order.status in FINAL or not NOW < announced <= NOW + 400 * DAY:
        return order.deadline_at
    return max(order.submitted_at, order.not_before or 0.0, announced) + policy.ceiling


def hint_of(order: Order, outcome: Outcome, policy: PollPolicy) -> float:
    """The moment before which the provider must not be asked, worked out from the words of the contract."""
    wait, moment = outcome.retry_after or 0.0, outcome.not_before or 0.0
    asked = NOW + wait
    if wait > DAY:  # no plausible wait
        account = isinstance(outcome, Throttled) or (isinstance(outcome, Unauthorized) and outcome.whole_account)
        asked = NOW + HOUR if account or order.status in FINAL else deadline_of(order, outcome, policy)
    if isinstance(outcome, Throttled) and asked <= NOW:
        asked = NOW + policy.throttle_pause
    return max(asked, moment if moment <= NOW + 400 * DAY else 0.0)


@given(orders(), answers_to_wait_for, policies(), randoms)
def test_no_attempt_before_a_hint_or_the_minimum(
    order: Order, outcome: Outcome, policy: PollPolicy, rng: Random
) -> None:
    decision = decide(order, outcome, policy, NOW, rng)
    if decision.order.next_poll_at is not None:
        assert decision.order.next_poll_at >= hint_of(order, outcome, policy)
        assert decision.order.next_poll_at >= NOW + policy.minimum


@given(orders(), answers_to_wait_for, policies(), randoms)
def test_an_attempt_is_due_exactly_at_its_hint(order: Order, outcome: Outcome, policy: PollPolicy, rng: Random) -> None:
    """Or at the minimum, where that is later; there is no jitter, as the token reservation spreads crowds."""
    hint = hint_of(order, outcome, policy)
    decision = decide(order, outcome, policy, NOW, rng)
    if hint > NOW and decision.order.next_poll_at is not None:
        assert decision.order.next_poll_at == max(hint, NOW + policy.minimum)


@given(orders(), answers_to_wait_for, policies(), randoms)
def test_a_hint_beyond_a_day_leaves_an_order_its_attempt_at_the_deadline(
    order: Order, outcome: Outcome, policy: PollPolicy, rng: Random
) -> None:
    outcome = replace(outcome, retry_after=DAY + 1, not_before=None)
    decision = decide(order, outcome, policy, NOW, rng)
    if (
        decision.signal in {AccountSignal.THROTTLED, AccountSignal.UNAUTHORIZED}
        or order.deadline_at < NOW + policy.minimum
    ):
        return
    assert decision.order.next_poll_at == order.deadline_at or order.deadline_at <= NOW


@given(orders(), policies(), randoms, st.floats(DAY + 1, 1e12))
def test_a_429_throttles_an_account_for_at_most_a_day(
    order: Order, policy: PollPolicy, rng: Random, wait: float
) -> None:
    assert decide(order, Throttled(retry_after=DAY), policy, NOW, rng).account_blocked_until == NOW + DAY
    assert decide(order, Throttled(retry_after=wait), policy, NOW, rng).account_blocked_until == NOW + HOUR


@given(orders(), outcomes, policies(), randoms)
def test_an_operator_may_poll_before_an_announced_date_but_not_before_a_hint(
    order: Order, outcome: Outcome, policy: PollPolicy, rng: Random
) -> None:
    assume((outcome.retry_after or 0.0) <= DAY)
    after = decide(order, outcome, policy, NOW, rng).order
    unannounced = decide(order, replace(outcome, not_before=None), policy, NOW, rng).order
    assert earliest_poll_at(after, policy) == earliest_poll_at(unannounced, policy)


@given(orders(), outcomes, policies(), randoms)
@example(
    replace(ANY_ORDER, deadline_at=NOW + 1),
    Throttled(retry_after=5e-292),  # too small to move the clock
    PollPolicy(minimum=0.0, throttle_pause=1.0),
    Random(0),
)
def test_no_attempt_after_the_deadline(order: Order, outcome: Outcome, policy: PollPolicy, rng: Random) -> None:
    decision = decide(order, outcome, policy, NOW, rng)
    assert decision.wake_at is None or NOW < decision.wake_at <= deadline_of(order, outcome, policy)


@given(orders(st.just(Status.FULFILLED)), answers_to_wait_for, policies(), randoms, st.floats(NOW - 100, NOW + 200_000))
def test_a_fulfilled_order_is_not_polled_from_its_event_on_and_needs_nobody(
    order: Order, outcome: Outcome, policy: PollPolicy, rng: Random, event_at: float
) -> None:
    decision = decide(replace(order, event_at=event_at), outcome, policy, NOW, rng)
    assert decision.wake_at is None or NOW < decision.wake_at < event_at
    assert (decision.order.status, decision.order.attention) == (Status.FULFILLED, order.attention)
    assert not decision.waits_for_account
    without = decide(order, outcome, policy, NOW, Random(0))
    assert (decision.account_blocked_until, decision.signal) == (without.account_blocked_until, without.signal)


@given(orders(), outcomes, policies(), randoms)
def test_an_open_order_always_has_a_next_wake_up(
    order: Order, outcome: Outcome, policy: PollPolicy, rng: Random
) -> None:
    decision = decide(order, outcome, policy, NOW, rng)
    assert (decision.order.status in OPEN) == (decision.wake_at is not None)


@given(orders(), answers_to_wait_for, policies(), randoms)
def test_a_back_off_past_the_deadline_becomes_one_last_attempt_at_it(
    order: Order, outcome: Outcome, policy: PollPolicy, rng: Random
) -> None:
    decision = decide(order, outcome, policy, NOW, rng)
    if decision.order.status in OPEN and not decision.waits_for_account:
        floor = max(hint_of(order, outcome, policy), NOW + policy.minimum)
        deadline = deadline_of(order, outcome, policy)
        if floor > deadline:
            assert decision.order.next_poll_at is None
            assert decision.wake_at == deadline
        else:
            assert decision.order.next_poll_at is not None


@given(orders(), answers_to_wait_for, policies(), randoms)
def test_an_order_past_its_deadline_expires(order: Order, outcome: Outcome, policy: PollPolicy, rng: Random) -> None:
    order = replace(order, deadline_at=NOW)
    expired = decide(order, outcome, policy, NOW, rng).order.status is Status.EXPIRED
    assert expired == (deadline_of(order, outcome, policy) <= NOW)


@given(orders(), answers_to_wait_for, policies(), st.integers(1, 400 * 86_400), st.integers(1, 400 * 86_400))
def test_an_announced_date_that_moves_moves_the_deadline_with_it(
    order: Order, outcome: Outcome, policy: PollPolicy, first: int, second: int
) -> None:
    """But never to before the ceiling after submission or `not_before`, and an implausible date moves nothing."""
    rng = Random(0)
    after = decide(order, replace(outcome, not_before=NOW + first), policy, NOW, rng).order
    assert after.expected_at == NOW + first
    assert after.deadline_at == max(order.submitted_at, order.not_before or 0.0, NOW + first) + policy.ceiling
    moved = decide(after, replace(outcome, not_before=NOW + second), policy, NOW, rng).order
    assert moved.deadline_at == max(order.submitted_at, order.not_before or 0.0, NOW + second) + policy.ceiling
    ignored = decide(after, replace(outcome, not_before=NOW + 401 * DAY), policy, NOW, rng).order
    assert (ignored.expected_at, ignored.deadline_at) == (after.expected_at, after.deadline_at)


@given(orders(status=st.sampled_from(sorted(FINAL))), outcomes, policies(), randoms)
def test_final_statuses_change_only_by_late_updates(
    order: Order, outcome: Outcome, policy: PollPolicy, rng: Random
) -> None:
    after = decide(order, outcome, policy, NOW, rng).order.status
    late = {
        (Status.FULFILLED, Status.CANCELLED),
        (Status.EXPIRED, Status.FULFILLED),
        (Status.EXPIRED, Status.FAILED),
        (Status.EXPIRED, Status.CANCELLED),
    }
    assert after is order.status or (order.status, after) in late


@given(orders(), final_words, policies(), randoms)
def test_a_final_status_word_closes_an_open_order(
    order: Order, outcome: Outcome, policy: PollPolicy, rng: Random
) -> None:
    decision = decide(order, outcome, policy, NOW, rng)
    assert decision.order.status in FINAL
    assert decision.order.finished_at == NOW
    assert decision.order.attention is None


@given(orders(), answers_to_wait_for, policies(), randoms)
def test_only_a_provider_status_or_the_deadline_makes_an_order_final(
    order: Order, outcome: Outcome, policy: PollPolicy, rng: Random
) -> None:
    after = decide(order, outcome, policy, NOW, rng).order.status
    assert after in OPEN or (after is Status.EXPIRED and order.deadline_at <= NOW)


@given(orders(), outcomes, policies(), randoms)
def test_only_answered_polls_lengthen_the_backoff(
    order: Order, outcome: Outcome, policy: PollPolicy, rng: Random
) -> None:
    after = decide(order, outcome, policy, NOW, rng).order
    if isinstance(outcome, Throttled | Unavailable):
        assert after.answered_polls == order.answered_polls
    assert after.answered_polls - order.answered_polls in {0, 1}


@given(orders(), policies(), st.integers(0, 2**32))
def test_an_unanswered_probe_of_a_rejected_account_backs_off_like_any_order(
    order: Order, policy: PollPolicy, seed: int
) -> None:
    refused, other = (replace(order, attention=attention) for attention in (Attention.UNAUTHORIZED, None))
    decisions = [decide(one, Unavailable(), policy, NOW, Random(seed)) for one in (refused, other)]
    assert decisions[0].order.attention in {Attention.UNAUTHORIZED, decisions[1].order.attention}
    assert [decision.wake_at for decision in decisions] == [decisions[0].wake_at] * 2


@given(policies(), st.integers(0, 10**6), st.integers(0, 2**32))
def test_jitter_only_lengthens_a_back_off(policy: PollPolicy, count: int, seed: int) -> None:
    """At most 10 % and 30 s over the formula, which is worked out here without overflow."""
    wait = backoff_seconds(policy, count, slow=False, rng=Random(seed))
    plain = policy.cap
    if count * math.log(policy.factor) < 700:
        plain = min(policy.cap, policy.initial * policy.factor**count)
    assert plain * (1 - 1e-9) <= wait <= plain + min(plain * 0.1, 30.0) + 1e-9


@given(policies(), st.integers(0, 2**32))
def test_the_back_off_does_not_overflow_at_attempt_a_million(policy: PollPolicy, seed: int) -> None:
    wait = backoff_seconds(policy, 10**6, slow=False, rng=Random(seed))
    assert math.isfinite(wait)
    assert wait <= policy.cap * 1.1 + 1e-9


@given(policies(), st.integers(0, 10**6), st.integers(0, 2**32))
def test_the_slow_cadence_is_uniform_within_the_interval(policy: PollPolicy, count: int, seed: int) -> None:
    low, high = policy.interval
    assert low <= backoff_seconds(policy, count, slow=True, rng=Random(seed)) <= high


def test_the_table_names_every_status_and_only_them() -> None:
    assert set(TRANSITIONS) == set(Status)
    for old in Status:
        assert not can_become(old, old)
        assert not can_become(old, Status.PENDING)
