"""The health of an account: what stops it, what probes it, and how it recovers."""

import json
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from tests.integration.stores.conftest import ACCOUNT, RATE, StoreHarness
from tests.waiting import STALL
from willcall.orders.decision import AccountSignal
from willcall.orders.model import Attention
from willcall.orders.policy import Rate
from willcall.stores import keys
from willcall.stores.accounts import (
    OUTAGES,
    REFUSALS,
    UNREADABLE,
    AccountHealth,
    AccountReport,
    AccountState,
    PauseResult,
    Releasable,
    ResumeOutcome,
)
from willcall.stores.bookings import BookingKind
from willcall.stores.leases import LeaseStore
from willcall.stores.oauth import LONGEST_MARGIN
from willcall.stores.polls import PollVerdict

if TYPE_CHECKING:
    from redis import Redis

PROBE = (3_000.0, 10_000.0)


def report(
    harness: StoreHarness,
    signal: AccountSignal,
    order_id: str = "ord-1",
    *,
    probe: bool = False,
    until: float | None = None,
    why: str = "200",
) -> AccountHealth:
    found = AccountReport(signal, order_id, probe, until, why)
    return harness.stores.accounts.report_health(ACCOUNT, ACCOUNT, found, PROBE, harness.account_alert()).after


def state(harness: StoreHarness) -> AccountState:
    return harness.stores.accounts.state(ACCOUNT, RATE)


def health(harness: StoreHarness) -> AccountHealth:
    return state(harness).health


def test_one_401_parks_the_account_and_one_good_response_recovers_it(harness: StoreHarness) -> None:
    assert report(harness, AccountSignal.UNAUTHORIZED) is AccountHealth.UNAUTHORIZED
    assert report(harness, AccountSignal.ANSWERED) is AccountHealth.OK


def test_outages_in_a_row_open_the_circuit(harness: StoreHarness) -> None:
    for _ in range(OUTAGES - 1):
        assert report(harness, AccountSignal.UNAVAILABLE) is AccountHealth.OK
    report(harness, AccountSignal.ANSWERED)
    for _ in range(OUTAGES - 1):
        assert report(harness, AccountSignal.UNAVAILABLE) is AccountHealth.OK
    assert report(harness, AccountSignal.UNAVAILABLE) is AccountHealth.DOWN


def test_403_parks_the_account_only_when_several_orders_in_a_row_get_it(harness: StoreHarness) -> None:
    for _ in range(5):
        assert report(harness, AccountSignal.FORBIDDEN, "the-same") is AccountHealth.OK
    report(harness, AccountSignal.ANSWERED)
    states = [report(harness, AccountSignal.FORBIDDEN, f"ord-{n}") for n in range(REFUSALS)]
    assert states == [AccountHealth.OK] * (REFUSALS - 1) + [AccountHealth.UNAUTHORIZED]


@pytest.mark.parametrize(
    ("orders", "parked"),
    [
        ("ABA", False),
        ("ABABAB", False),
        ("AAB", False),
        ("ABC", True),
        ("ABAC", True),
        ("AB.C", False),
        ("AB.CAB", True),
    ],
)
def test_403s_of_three_different_orders_in_a_row_park_the_account(
    harness: StoreHarness, orders: str, *, parked: bool
) -> None:
    for order in orders:
        if order == ".":
            report(harness, AccountSignal.ANSWERED)
        else:
            report(harness, AccountSignal.FORBIDDEN, f"ord \u00e9: {order}", why="403")
    assert health(harness) is (AccountHealth.UNAUTHORIZED if parked else AccountHealth.OK)


def test_the_number_of_remembered_rejected_orders_is_bounded(harness: StoreHarness) -> None:
    for n in range(200):
        report(harness, AccountSignal.FORBIDDEN, f"ord-{n}")
    assert len(json.loads(harness.redis.hget(keys.account(ACCOUNT), "refused") or "")) == REFUSALS


def test_a_403_shows_that_the_account_is_no_longer_down(harness: StoreHarness) -> None:
    for _ in range(OUTAGES):
        report(harness, AccountSignal.UNAVAILABLE)
    assert report(harness, AccountSignal.FORBIDDEN, probe=True) is AccountHealth.OK


def test_unreadable_responses_of_several_orders_open_the_circuit(harness: StoreHarness) -> None:
    for _ in range(5):
        assert report(harness, AccountSignal.MALFORMED, "the-same") is AccountHealth.OK
    assert report(harness, AccountSignal.MALFORMED, "") is AccountHealth.OK
    assert report(harness, AccountSignal.MALFORMED, "another") is AccountHealth.OK
    report(harness, AccountSignal.ANSWERED)
    states = [report(harness, AccountSignal.MALFORMED, f"ord-{n}", why="body is not JSON") for n in range(UNREADABLE)]
    assert states == [AccountHealth.OK] * (UNREADABLE - 1) + [AccountHealth.DOWN]
    assert state(harness).why == "body is not JSON"
    assert report(harness, AccountSignal.MALFORMED, probe=True) is AccountHealth.DOWN
    assert report(harness, AccountSignal.ANSWERED, probe=True) is AccountHealth.OK


def test_an_unreadable_response_closes_no_circuit_and_proves_no_key(harness: StoreHarness) -> None:
    for _ in range(OUTAGES):
        report(harness, AccountSignal.UNAVAILABLE)
    assert report(harness, AccountSignal.MALFORMED, probe=True) is AccountHealth.DOWN
    report(harness, AccountSignal.ANSWERED)
    report(harness, AccountSignal.UNAUTHORIZED)
    assert report(harness, AccountSignal.MALFORMED, probe=True) is AccountHealth.UNAUTHORIZED


def test_outages_mixed_with_unreadable_responses_open_the_circuit_too(harness: StoreHarness) -> None:
    for n in range(OUTAGES):
        report(harness, AccountSignal.UNAVAILABLE)
        report(harness, AccountSignal.MALFORMED, f"ord-{n % 2}")
    assert health(harness) is AccountHealth.DOWN


def test_a_401_with_a_retry_after_postpones_the_probe(harness: StoreHarness) -> None:
    until = harness.now() + 50_000
    report(harness, AccountSignal.UNAUTHORIZED, until=until)
    assert state(harness).probe_at == pytest.approx(until, abs=0.01)
    report(harness, AccountSignal.UNAUTHORIZED, probe=True, until=until + 50_000)
    assert state(harness).probe_at == pytest.approx(until + 50_000, abs=0.01)


def test_the_interval_between_probes_doubles_up_to_the_longest(harness: StoreHarness) -> None:
    report(harness, AccountSignal.UNAUTHORIZED)
    waits = []
    for _ in range(4):
        waits.append(harness.stores.accounts.state(ACCOUNT, RATE).probe_at - harness.now())
        report(harness, AccountSignal.UNAUTHORIZED, probe=True)
    assert waits == pytest.approx([3_000, 6_000, 10_000, 10_000], abs=STALL)


def test_late_responses_do_not_lengthen_the_interval_between_probes(harness: StoreHarness) -> None:
    for _ in range(OUTAGES + 20):
        report(harness, AccountSignal.UNAVAILABLE)
    state = harness.stores.accounts.state(ACCOUNT, RATE)
    assert state.probe_at - harness.now() == pytest.approx(3_000, abs=STALL)


def test_a_parked_account_lets_one_probe_through_at_a_time(harness: StoreHarness) -> None:
    for n in range(3):
        harness.submit(f"ord-{n}")
    report(harness, AccountSignal.UNAUTHORIZED)
    assert harness.claim(order_id="ord-0").verdict is PollVerdict.HELD
    harness.redis.hset(keys.account(ACCOUNT), "probe_at", 0)
    assert harness.stores.accounts.releasable(ACCOUNT) is Releasable.PROBE
    probe = harness.claim(order_id="ord-1")
    assert (probe.verdict, probe.probe) == (PollVerdict.GO, True)
    assert harness.claim(order_id="ord-2").verdict is PollVerdict.HELD


def test_orders_held_for_a_bad_key_need_attention_until_it_works_again(harness: StoreHarness) -> None:
    harness.submit()
    report(harness, AccountSignal.UNAUTHORIZED)
    harness.claim()
    assert harness.order().attention == "unauthorized"
    assert harness.order().attention_at == pytest.approx(harness.now(), abs=STALL)
    assert harness.stores.listing.attention_counts() == {(ACCOUNT, Attention.UNAUTHORIZED): 1}
    report(harness, AccountSignal.ANSWERED)
    assert harness.stores.accounts.releasable(ACCOUNT) is Releasable.ALL
    harness.stores.schedule.release_held(ACCOUNT, 10, 0)
    assert (harness.order().attention, harness.order().attention_at) == (None, None)
    assert harness.stores.listing.attention_counts() == {}


def test_the_probing_order_of_a_rejected_account_keeps_its_attention_until_the_key_works(harness: StoreHarness) -> None:
    harness.submit()
    report(harness, AccountSignal.UNAUTHORIZED)
    harness.claim()
    harness.redis.hset(keys.order("ord-1"), "attention_at", 1_000)
    for _ in range(2):
        harness.redis.hset(keys.account(ACCOUNT), "probe_at", 0)
        [message] = harness.stores.schedule.release_held(ACCOUNT, 1, 0)
        probe = harness.go(message.seq)
        report(harness, AccountSignal.UNAUTHORIZED, probe=True)
        harness.commit(probe, held=True, attention=Attention.UNAUTHORIZED)
        assert (harness.order().attention, harness.order().attention_at) == (Attention.UNAUTHORIZED, 1.0)
    harness.redis.hset(keys.account(ACCOUNT), "probe_at", 0)
    [message] = harness.stores.schedule.release_held(ACCOUNT, 1, 0)
    harness.commit(harness.go(message.seq), attention=None)
    assert (harness.order().attention, harness.order().attention_at) == (None, None)


def test_a_throttle_stops_the_whole_account_until_it_ends(harness: StoreHarness) -> None:
    harness.submit()
    until = harness.now() + 3_600
    report(harness, AccountSignal.THROTTLED, until=until)
    assert health(harness) is AccountHealth.THROTTLED
    claim = harness.claim()
    assert claim.verdict is PollVerdict.WAIT
    assert claim.until >= until
    reservation = harness.stores.accounts.reserve_token(ACCOUNT, RATE, BookingKind.LIST, "x")
    assert not reservation.granted
    assert (reservation.at or 0) >= until


def test_the_reason_and_start_of_parking_are_kept_until_the_account_is_healthy(harness: StoreHarness) -> None:
    report(harness, AccountSignal.UNAUTHORIZED, why="401")
    parked = state(harness)
    assert (parked.why, parked.since) == ("401", pytest.approx(harness.now(), abs=STALL))
    report(harness, AccountSignal.UNAUTHORIZED, probe=True, why="401")
    assert state(harness).since == parked.since
    report(harness, AccountSignal.ANSWERED)
    assert state(harness).why is None
    assert state(harness).since >= (parked.since or 0)


def test_a_throttle_starts_with_the_first_429_after_a_good_response(harness: StoreHarness) -> None:
    report(harness, AccountSignal.THROTTLED, until=harness.now() + 3_600, why="429")
    first = state(harness)
    assert (first.why, first.since) == ("429", pytest.approx(harness.now(), abs=STALL))
    begun = harness.now() - 9_000
    harness.redis.hset(keys.account(ACCOUNT), mapping={"throttled_since": int(begun * 1_000)})
    report(harness, AccountSignal.THROTTLED, until=harness.now() + 3_600, why="429")
    assert state(harness).since == pytest.approx(begun, abs=0.01)
    report(harness, AccountSignal.ANSWERED)
    report(harness, AccountSignal.THROTTLED, until=harness.now() + 3_600, why="429")
    assert state(harness).since == pytest.approx(harness.now(), abs=STALL)


def test_a_429_long_after_the_last_one_ended_begins_a_new_throttle(harness: StoreHarness) -> None:
    long_ago = int((harness.now() - 100_000) * 1_000)
    harness.redis.hset(keys.account(ACCOUNT), mapping={"throttled_since": long_ago, "throttled_until": long_ago})
    report(harness, AccountSignal.THROTTLED, until=harness.now() + 60)
    assert state(harness).since == pytest.approx(harness.now(), abs=STALL)


def test_an_account_stays_unhealthy_until_a_good_response_follows_a_throttle(harness: StoreHarness) -> None:
    for n in range(3):
        harness.submit(f"ord-{n}")
    assert harness.claim(order_id="ord-0").account_healthy
    report(harness, AccountSignal.THROTTLED, until=harness.now())
    assert not harness.claim(order_id="ord-1").account_healthy
    report(harness, AccountSignal.ANSWERED)
    assert harness.claim(order_id="ord-2").account_healthy


def test_a_pause_ends_on_time_or_by_resume(harness: StoreHarness) -> None:
    harness.stores.accounts.pause(ACCOUNT, harness.now() + 3_600)
    assert health(harness) is AccountHealth.PAUSED
    assert harness.stores.accounts.releasable(ACCOUNT) is Releasable.NONE
    harness.stores.accounts.resume(ACCOUNT, ACCOUNT, harness.account_alert())
    assert health(harness) is AccountHealth.OK
    harness.stores.accounts.pause(ACCOUNT, harness.now() - 1)
    assert health(harness) is AccountHealth.OK
    assert harness.stores.accounts.releasable(ACCOUNT) is Releasable.ALL


def test_another_pause_can_lengthen_but_never_shorten_a_pause(harness: StoreHarness) -> None:
    pause, now = harness.stores.accounts.pause, harness.now()
    assert pause(ACCOUNT, now + 60) == PauseResult(now + 60, already_longer=False)
    harness.redis.hset(keys.account(ACCOUNT), "paused_since", 1_000)
    assert pause(ACCOUNT, now + 600) == PauseResult(now + 600, already_longer=False)
    assert pause(ACCOUNT, now + 60) == PauseResult(now + 600, already_longer=True)
    assert pause(ACCOUNT, None) == PauseResult(None, already_longer=False)
    assert pause(ACCOUNT, now + 60) == PauseResult(None, already_longer=True)
    assert (state(harness).since, state(harness).until) == (1.0, None)
    harness.stores.accounts.resume(ACCOUNT, ACCOUNT, harness.account_alert())
    assert pause(ACCOUNT, now + 60) == PauseResult(now + 60, already_longer=False)
    assert state(harness).since == pytest.approx(now, abs=50)


@pytest.mark.parametrize(("signal", "times"), [(AccountSignal.UNAUTHORIZED, 1), (AccountSignal.UNAVAILABLE, OUTAGES)])
def test_a_pause_does_not_hide_that_the_account_is_rejected_or_down(
    harness: StoreHarness, signal: AccountSignal, times: int
) -> None:
    for _ in range(times):
        report(harness, signal, why="401")
    harness.redis.hincrby(keys.account(ACCOUNT), "since", -90_000)
    before = state(harness)
    harness.stores.accounts.pause(ACCOUNT, harness.now() + 600)
    paused = state(harness)
    assert (paused.health, paused.why) == (AccountHealth.PAUSED, None)
    assert paused.underlying == paused.without_pause == before
    harness.stores.accounts.resume(ACCOUNT, ACCOUNT, harness.account_alert())
    assert (state(harness).health, state(harness).since, state(harness).underlying) == (
        before.health,
        before.since,
        None,
    )


def test_a_paused_healthy_account_has_no_underlying_problem(harness: StoreHarness) -> None:
    harness.stores.accounts.pause(ACCOUNT, None)
    assert (state(harness).underlying, state(harness).without_pause) == (None, state(harness))


def test_resume_keeps_a_throttle_and_returns_its_end(harness: StoreHarness) -> None:
    until = harness.now() + 3_600
    report(harness, AccountSignal.THROTTLED, until=until)
    assert harness.stores.accounts.resume(ACCOUNT, ACCOUNT, harness.account_alert()) == ResumeOutcome(
        alerted=False, until=until
    )
    assert (state(harness).health, state(harness).until) == (AccountHealth.THROTTLED, until)
    harness.submit()
    assert harness.claim().until >= until


def test_resume_now_ends_a_throttle(harness: StoreHarness) -> None:
    report(harness, AccountSignal.THROTTLED, until=harness.now() + 3_600)
    resumption = harness.stores.accounts.resume(ACCOUNT, ACCOUNT, harness.account_alert(), now=True)
    assert resumption == ResumeOutcome(alerted=False, until=None)
    assert health(harness) is AccountHealth.OK
    harness.submit()
    assert harness.claim().until - harness.now() < STALL


def test_resume_of_a_healthy_account_leaves_no_state(harness: StoreHarness) -> None:
    harness.submit()
    harness.go()
    for signal in (
        AccountSignal.FORBIDDEN,
        AccountSignal.UNAVAILABLE,
        AccountSignal.UNAUTHORIZED,
        AccountSignal.ANSWERED,
    ):
        report(harness, signal)
    report(harness, AccountSignal.FORBIDDEN)
    report(harness, AccountSignal.THROTTLED, until=harness.now() + 60)
    report(harness, AccountSignal.UNAVAILABLE)
    harness.stores.accounts.pause(ACCOUNT, None)
    harness.stores.accounts.resume(ACCOUNT, ACCOUNT, harness.account_alert(), now=True)
    while harness.stores.schedule.release_throttled(ACCOUNT, ACCOUNT, 10, 0)[0]:
        pass
    assert harness.redis.hgetall(keys.account(ACCOUNT)) == {}


@pytest.mark.parametrize("paused", [False, True])
def test_resuming_a_parked_account_only_probes_it_now(harness: StoreHarness, paused: bool) -> None:  # noqa: FBT001
    report(harness, AccountSignal.UNAUTHORIZED, why="401")
    harness.redis.hincrby(keys.account(ACCOUNT), "since", -90_000)
    before = state(harness)
    if paused:
        harness.stores.accounts.pause(ACCOUNT, None)
    harness.stores.accounts.resume(ACCOUNT, ACCOUNT, harness.account_alert())
    after = state(harness)
    assert (after.health, after.since, after.why) == (AccountHealth.UNAUTHORIZED, before.since, "401")
    assert (after.probe_at or 0) <= harness.now()
    assert harness.stores.accounts.releasable(ACCOUNT) is Releasable.PROBE
    harness.submit()
    harness.submit("ord-2")
    assert harness.claim().probe
    assert harness.claim(order_id="ord-2").verdict is PollVerdict.HELD
    report(harness, AccountSignal.UNAUTHORIZED, probe=True, why="401")
    assert state(harness).since == before.since


def test_tokens_left_are_counted_down_and_refilled(harness: StoreHarness) -> None:
    rate = Rate(limit=1, period=3_600, burst=20)
    accounts = harness.stores.accounts
    full = accounts.state(ACCOUNT, rate).tokens
    assert accounts.reserve_token(ACCOUNT, rate, BookingKind.LIST, "x").granted
    assert accounts.state(ACCOUNT, rate).tokens == full - 1


def test_a_lease_has_one_holder_and_is_free_afterwards(redis: "Redis") -> None:
    leases = LeaseStore(redis)
    with leases.hold("sweep:x", 3_600) as first, leases.hold("sweep:x", 3_600) as second:
        assert (bool(first), bool(second)) == (True, False)
    with leases.hold("sweep:x", 3_600) as again:
        assert again


def test_an_access_token_is_fetched_by_one_worker_and_removed_when_rejected(harness: StoreHarness) -> None:
    oauth = harness.stores.oauth
    assert oauth.get(ACCOUNT) is None
    with oauth.lock(ACCOUNT, 3_600) as first, oauth.lock(ACCOUNT, 3_600) as second:
        assert (first, second) == (True, False)
        oauth.put(ACCOUNT, "first", 10_000)
    with oauth.lock(ACCOUNT, 3_600) as again:
        assert again
    token = oauth.get(ACCOUNT)
    assert token is not None
    assert (token.value, token.accepted, token.expires_soon) == ("first", False, False)
    oauth.mark_accepted(ACCOUNT)
    oauth.reject(ACCOUNT, "another")
    token = oauth.get(ACCOUNT)
    assert token is not None
    assert token.accepted
    oauth.reject(ACCOUNT, "first")
    assert oauth.get(ACCOUNT) is None


def test_an_access_token_is_renewed_before_it_expires(harness: StoreHarness) -> None:
    harness.stores.oauth.put(ACCOUNT, "t", 10_000)
    harness.redis.expire(keys.oauth(ACCOUNT), int(LONGEST_MARGIN))
    token = harness.stores.oauth.get(ACCOUNT)
    assert token is not None
    assert token.expires_soon


def test_a_rejected_account_can_be_probed_at_once_and_its_intervals_start_again(
    harness: StoreHarness, redis: "Redis"
) -> None:
    assert not harness.stores.accounts.probe_rejected(ACCOUNT)
    for _ in range(3):
        report(harness, AccountSignal.UNAUTHORIZED, probe=True)
    now = harness.now()
    assert (state(harness).probe_at or 0) > now + PROBE[0] / 2
    assert harness.stores.accounts.probe_rejected(ACCOUNT)
    assert (state(harness).probe_at or 0) <= harness.now()
    assert health(harness) is AccountHealth.UNAUTHORIZED
    assert not redis.hexists(keys.account(ACCOUNT), "probe_wait")


def test_a_token_of_earlier_credentials_is_discarded_also_while_it_is_requested(harness: StoreHarness) -> None:
    tokens = harness.stores.oauth
    tokens.put(ACCOUNT, "token", 3_600)
    tokens.postpone(ACCOUNT, 60)
    tokens.discard(ACCOUNT)
    assert tokens.get(ACCOUNT) is None
    assert tokens.postponed_for(ACCOUNT) == 0
    discarding = Thread(target=tokens.discard, args=(ACCOUNT,))
    with tokens.lock(ACCOUNT, 60) as acquired:
        assert acquired
        discarding.start()
        tokens.put(ACCOUNT, "token of the earlier credentials", 3_600)
    discarding.join()
    assert tokens.get(ACCOUNT) is None
    with tokens.lock(ACCOUNT, 60) as acquired:
        assert acquired, "the lock is free again"
