"""The health of an account: what stops it, what probes it, and how it recovers."""

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.stores.conftest import ACCOUNT, RATE, Desk
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
    ResumeResult,
)
from willcall.stores.bookings import BookingKind
from willcall.stores.leases import LeaseStore
from willcall.stores.oauth import LONGEST_MARGIN
from willcall.stores.polls import PollVerdict

if TYPE_CHECKING:
    from redis import Redis

PROBE = (3_000.0, 10_000.0)


def report(
    desk: Desk,
    signal: AccountSignal,
    order_id: str = "ord-1",
    *,
    probe: bool = False,
    until: float | None = None,
    why: str = "200",
) -> AccountHealth:
    found = AccountReport(signal, order_id, probe, until, why)
    return desk.stores.accounts.report_health(ACCOUNT, found, PROBE, desk.account_alert()).after


def state(desk: Desk) -> AccountState:
    return desk.stores.accounts.state(ACCOUNT, RATE)


def health(desk: Desk) -> AccountHealth:
    return state(desk).health


def test_one_401_parks_the_account_and_one_good_response_recovers_it(desk: Desk) -> None:
    assert report(desk, AccountSignal.UNAUTHORIZED) is AccountHealth.UNAUTHORIZED
    assert report(desk, AccountSignal.ANSWERED) is AccountHealth.OK


def test_outages_in_a_row_open_the_circuit(desk: Desk) -> None:
    for _ in range(OUTAGES - 1):
        assert report(desk, AccountSignal.UNAVAILABLE) is AccountHealth.OK
    report(desk, AccountSignal.ANSWERED)
    for _ in range(OUTAGES - 1):
        assert report(desk, AccountSignal.UNAVAILABLE) is AccountHealth.OK
    assert report(desk, AccountSignal.UNAVAILABLE) is AccountHealth.DOWN


def test_403_parks_the_account_only_when_several_orders_in_a_row_get_it(desk: Desk) -> None:
    for _ in range(5):
        assert report(desk, AccountSignal.FORBIDDEN, "the-same") is AccountHealth.OK
    report(desk, AccountSignal.ANSWERED)
    states = [report(desk, AccountSignal.FORBIDDEN, f"ord-{n}") for n in range(REFUSALS)]
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
def test_403s_of_three_different_orders_in_a_row_park_the_account(desk: Desk, orders: str, *, parked: bool) -> None:
    for order in orders:
        if order == ".":
            report(desk, AccountSignal.ANSWERED)
        else:
            report(desk, AccountSignal.FORBIDDEN, f"ord \u00e9: {order}", why="403")
    assert health(desk) is (AccountHealth.UNAUTHORIZED if parked else AccountHealth.OK)


def test_the_number_of_remembered_rejected_orders_is_bounded(desk: Desk) -> None:
    for n in range(200):
        report(desk, AccountSignal.FORBIDDEN, f"ord-{n}")
    assert len(json.loads(desk.redis.hget(keys.account(ACCOUNT), "refused") or "")) == REFUSALS


def test_a_403_shows_that_the_account_is_no_longer_down(desk: Desk) -> None:
    for _ in range(OUTAGES):
        report(desk, AccountSignal.UNAVAILABLE)
    assert report(desk, AccountSignal.FORBIDDEN, probe=True) is AccountHealth.OK


def test_unreadable_responses_of_several_orders_open_the_circuit(desk: Desk) -> None:
    for _ in range(5):
        assert report(desk, AccountSignal.MALFORMED, "the-same") is AccountHealth.OK
    assert report(desk, AccountSignal.MALFORMED, "") is AccountHealth.OK
    assert report(desk, AccountSignal.MALFORMED, "another") is AccountHealth.OK
    report(desk, AccountSignal.ANSWERED)
    states = [report(desk, AccountSignal.MALFORMED, f"ord-{n}", why="body is not JSON") for n in range(UNREADABLE)]
    assert states == [AccountHealth.OK] * (UNREADABLE - 1) + [AccountHealth.DOWN]
    assert state(desk).why == "body is not JSON"
    assert report(desk, AccountSignal.MALFORMED, probe=True) is AccountHealth.DOWN
    assert report(desk, AccountSignal.ANSWERED, probe=True) is AccountHealth.OK


def test_an_unreadable_response_closes_no_circuit_and_proves_no_key(desk: Desk) -> None:
    for _ in range(OUTAGES):
        report(desk, AccountSignal.UNAVAILABLE)
    assert report(desk, AccountSignal.MALFORMED, probe=True) is AccountHealth.DOWN
    report(desk, AccountSignal.ANSWERED)
    report(desk, AccountSignal.UNAUTHORIZED)
    assert report(desk, AccountSignal.MALFORMED, probe=True) is AccountHealth.UNAUTHORIZED


def test_outages_mixed_with_unreadable_responses_open_the_circuit_too(desk: Desk) -> None:
    for n in range(OUTAGES):
        report(desk, AccountSignal.UNAVAILABLE)
        report(desk, AccountSignal.MALFORMED, f"ord-{n % 2}")
    assert health(desk) is AccountHealth.DOWN


def test_a_401_with_a_retry_after_postpones_the_probe(desk: Desk) -> None:
    until = desk.now() + 50_000
    report(desk, AccountSignal.UNAUTHORIZED, until=until)
    assert state(desk).probe_at == pytest.approx(until, abs=0.01)
    report(desk, AccountSignal.UNAUTHORIZED, probe=True, until=until + 50_000)
    assert state(desk).probe_at == pytest.approx(until + 50_000, abs=0.01)


def test_the_interval_between_probes_doubles_up_to_the_longest(desk: Desk) -> None:
    report(desk, AccountSignal.UNAUTHORIZED)
    waits = []
    for _ in range(4):
        waits.append(desk.stores.accounts.state(ACCOUNT, RATE).probe_at - desk.now())
        report(desk, AccountSignal.UNAUTHORIZED, probe=True)
    assert waits == pytest.approx([3_000, 6_000, 10_000, 10_000], abs=STALL)


def test_late_responses_do_not_lengthen_the_interval_between_probes(desk: Desk) -> None:
    for _ in range(OUTAGES + 20):
        report(desk, AccountSignal.UNAVAILABLE)
    state = desk.stores.accounts.state(ACCOUNT, RATE)
    assert state.probe_at - desk.now() == pytest.approx(3_000, abs=STALL)


def test_a_parked_account_lets_one_probe_through_at_a_time(desk: Desk) -> None:
    for n in range(3):
        desk.submit(f"ord-{n}")
    report(desk, AccountSignal.UNAUTHORIZED)
    assert desk.claim(order_id="ord-0").verdict is PollVerdict.HELD
    desk.redis.hset(keys.account(ACCOUNT), "probe_at", 0)
    assert desk.stores.accounts.releasable(ACCOUNT) is Releasable.PROBE
    probe = desk.claim(order_id="ord-1")
    assert (probe.verdict, probe.probe) == (PollVerdict.GO, True)
    assert desk.claim(order_id="ord-2").verdict is PollVerdict.HELD


def test_orders_held_for_a_bad_key_need_attention_until_it_works_again(desk: Desk) -> None:
    desk.submit()
    report(desk, AccountSignal.UNAUTHORIZED)
    desk.claim()
    assert desk.order().attention == "unauthorized"
    assert desk.order().attention_at == pytest.approx(desk.now(), abs=STALL)
    assert desk.stores.listing.attention_counts() == {(ACCOUNT, Attention.UNAUTHORIZED): 1}
    report(desk, AccountSignal.ANSWERED)
    assert desk.stores.accounts.releasable(ACCOUNT) is Releasable.ALL
    desk.stores.schedule.release_held(ACCOUNT, 10, 0)
    assert (desk.order().attention, desk.order().attention_at) == (None, None)
    assert desk.stores.listing.attention_counts() == {}


def test_the_probing_order_of_a_rejected_account_keeps_its_attention_until_the_key_works(desk: Desk) -> None:
    desk.submit()
    report(desk, AccountSignal.UNAUTHORIZED)
    desk.claim()
    desk.redis.hset(keys.order("ord-1"), "attention_at", 1_000)
    for _ in range(2):
        desk.redis.hset(keys.account(ACCOUNT), "probe_at", 0)
        [message] = desk.stores.schedule.release_held(ACCOUNT, 1, 0)
        probe = desk.go(message.seq)
        report(desk, AccountSignal.UNAUTHORIZED, probe=True)
        desk.commit(probe, held=True, attention=Attention.UNAUTHORIZED)
        assert (desk.order().attention, desk.order().attention_at) == (Attention.UNAUTHORIZED, 1.0)
    desk.redis.hset(keys.account(ACCOUNT), "probe_at", 0)
    [message] = desk.stores.schedule.release_held(ACCOUNT, 1, 0)
    desk.commit(desk.go(message.seq), attention=None)
    assert (desk.order().attention, desk.order().attention_at) == (None, None)


def test_a_throttle_stops_the_whole_account_until_it_ends(desk: Desk) -> None:
    desk.submit()
    until = desk.now() + 3_600
    report(desk, AccountSignal.THROTTLED, until=until)
    assert health(desk) is AccountHealth.THROTTLED
    claim = desk.claim()
    assert claim.verdict is PollVerdict.WAIT
    assert claim.until >= until
    reservation = desk.stores.accounts.reserve_token(ACCOUNT, RATE, BookingKind.LIST, "x")
    assert not reservation.granted
    assert (reservation.at or 0) >= until


def test_why_and_since_when_an_account_is_parked_is_kept_until_it_recovers(desk: Desk) -> None:
    report(desk, AccountSignal.UNAUTHORIZED, why="401")
    parked = state(desk)
    assert (parked.why, parked.since) == ("401", pytest.approx(desk.now(), abs=STALL))
    report(desk, AccountSignal.UNAUTHORIZED, probe=True, why="401")
    assert state(desk).since == parked.since
    report(desk, AccountSignal.ANSWERED)
    assert state(desk).why is None
    assert state(desk).since >= (parked.since or 0)


def test_a_throttle_starts_with_the_first_429_after_a_good_response(desk: Desk) -> None:
    report(desk, AccountSignal.THROTTLED, until=desk.now() + 3_600, why="429")
    first = state(desk)
    assert (first.why, first.since) == ("429", pytest.approx(desk.now(), abs=STALL))
    begun = desk.now() - 9_000
    desk.redis.hset(keys.account(ACCOUNT), mapping={"throttled_since": int(begun * 1_000)})
    report(desk, AccountSignal.THROTTLED, until=desk.now() + 3_600, why="429")
    assert state(desk).since == pytest.approx(begun, abs=0.01)
    report(desk, AccountSignal.ANSWERED)
    report(desk, AccountSignal.THROTTLED, until=desk.now() + 3_600, why="429")
    assert state(desk).since == pytest.approx(desk.now(), abs=STALL)


def test_a_429_long_after_the_last_one_ended_begins_a_new_throttle(desk: Desk) -> None:
    long_ago = int((desk.now() - 100_000) * 1_000)
    desk.redis.hset(keys.account(ACCOUNT), mapping={"throttled_since": long_ago, "throttled_until": long_ago})
    report(desk, AccountSignal.THROTTLED, until=desk.now() + 60)
    assert state(desk).since == pytest.approx(desk.now(), abs=STALL)


def test_a_good_response_ends_a_reported_throttle(desk: Desk) -> None:
    for n in range(3):
        desk.submit(f"ord-{n}")
    assert desk.claim(order_id="ord-0").account_healthy
    report(desk, AccountSignal.THROTTLED, until=desk.now())
    assert not desk.claim(order_id="ord-1").account_healthy
    report(desk, AccountSignal.ANSWERED)
    assert desk.claim(order_id="ord-2").account_healthy


def test_a_pause_ends_by_itself_or_by_resume(desk: Desk) -> None:
    desk.stores.accounts.pause(ACCOUNT, desk.now() + 3_600)
    assert health(desk) is AccountHealth.PAUSED
    assert desk.stores.accounts.releasable(ACCOUNT) is Releasable.NONE
    desk.stores.accounts.resume(ACCOUNT, desk.account_alert())
    assert health(desk) is AccountHealth.OK
    desk.stores.accounts.pause(ACCOUNT, desk.now() - 1)
    assert health(desk) is AccountHealth.OK
    assert desk.stores.accounts.releasable(ACCOUNT) is Releasable.ALL


def test_another_pause_can_lengthen_but_never_shorten_a_pause(desk: Desk) -> None:
    pause, now = desk.stores.accounts.pause, desk.now()
    assert pause(ACCOUNT, now + 60) == PauseResult(now + 60, already_longer=False)
    desk.redis.hset(keys.account(ACCOUNT), "paused_since", 1_000)
    assert pause(ACCOUNT, now + 600) == PauseResult(now + 600, already_longer=False)
    assert pause(ACCOUNT, now + 60) == PauseResult(now + 600, already_longer=True)
    assert pause(ACCOUNT, None) == PauseResult(None, already_longer=False)
    assert pause(ACCOUNT, now + 60) == PauseResult(None, already_longer=True)
    assert (state(desk).since, state(desk).until) == (1.0, None)
    desk.stores.accounts.resume(ACCOUNT, desk.account_alert())
    assert pause(ACCOUNT, now + 60) == PauseResult(now + 60, already_longer=False)
    assert state(desk).since == pytest.approx(now, abs=50)


@pytest.mark.parametrize(("signal", "times"), [(AccountSignal.UNAUTHORIZED, 1), (AccountSignal.UNAVAILABLE, OUTAGES)])
def test_a_pause_does_not_hide_that_the_account_is_rejected_or_down(
    desk: Desk, signal: AccountSignal, times: int
) -> None:
    for _ in range(times):
        report(desk, signal, why="401")
    desk.redis.hincrby(keys.account(ACCOUNT), "since", -90_000)
    before = state(desk)
    desk.stores.accounts.pause(ACCOUNT, desk.now() + 600)
    paused = state(desk)
    assert (paused.health, paused.why) == (AccountHealth.PAUSED, None)
    assert paused.underlying == paused.without_pause == before
    desk.stores.accounts.resume(ACCOUNT, desk.account_alert())
    assert (state(desk).health, state(desk).since, state(desk).underlying) == (before.health, before.since, None)


def test_under_the_pause_of_a_healthy_account_is_nothing(desk: Desk) -> None:
    desk.stores.accounts.pause(ACCOUNT, None)
    assert (state(desk).underlying, state(desk).without_pause) == (None, state(desk))


def test_resume_keeps_a_throttle_and_says_until_when(desk: Desk) -> None:
    until = desk.now() + 3_600
    report(desk, AccountSignal.THROTTLED, until=until)
    assert desk.stores.accounts.resume(ACCOUNT, desk.account_alert()) == ResumeResult(alerted=False, until=until)
    assert (state(desk).health, state(desk).until) == (AccountHealth.THROTTLED, until)
    desk.submit()
    assert desk.claim().until >= until


def test_resume_now_ends_a_throttle(desk: Desk) -> None:
    report(desk, AccountSignal.THROTTLED, until=desk.now() + 3_600)
    resumption = desk.stores.accounts.resume(ACCOUNT, desk.account_alert(), now=True)
    assert resumption == ResumeResult(alerted=False, until=None)
    assert health(desk) is AccountHealth.OK
    desk.submit()
    assert desk.claim().until - desk.now() < STALL


def test_resume_of_a_healthy_account_leaves_no_state(desk: Desk) -> None:
    desk.submit()
    desk.go()
    for signal in (
        AccountSignal.FORBIDDEN,
        AccountSignal.UNAVAILABLE,
        AccountSignal.UNAUTHORIZED,
        AccountSignal.ANSWERED,
    ):
        report(desk, signal)
    report(desk, AccountSignal.FORBIDDEN)
    report(desk, AccountSignal.THROTTLED, until=desk.now() + 60)
    report(desk, AccountSignal.UNAVAILABLE)
    desk.stores.accounts.pause(ACCOUNT, None)
    desk.stores.accounts.resume(ACCOUNT, desk.account_alert(), now=True)
    while desk.stores.schedule.release_throttled(ACCOUNT, 10, 0)[0]:
        pass
    assert desk.redis.hgetall(keys.account(ACCOUNT)) == {}


@pytest.mark.parametrize("paused", [False, True])
def test_resuming_a_parked_account_only_probes_it_now(desk: Desk, paused: bool) -> None:  # noqa: FBT001
    report(desk, AccountSignal.UNAUTHORIZED, why="401")
    desk.redis.hincrby(keys.account(ACCOUNT), "since", -90_000)
    before = state(desk)
    if paused:
        desk.stores.accounts.pause(ACCOUNT, None)
    desk.stores.accounts.resume(ACCOUNT, desk.account_alert())
    after = state(desk)
    assert (after.health, after.since, after.why) == (AccountHealth.UNAUTHORIZED, before.since, "401")
    assert (after.probe_at or 0) <= desk.now()
    assert desk.stores.accounts.releasable(ACCOUNT) is Releasable.PROBE
    desk.submit()
    desk.submit("ord-2")
    assert desk.claim().probe
    assert desk.claim(order_id="ord-2").verdict is PollVerdict.HELD
    report(desk, AccountSignal.UNAUTHORIZED, probe=True, why="401")
    assert state(desk).since == before.since


def test_tokens_left_are_counted_down_and_refilled(desk: Desk) -> None:
    rate = Rate(limit=1, period=3_600, burst=20)
    accounts = desk.stores.accounts
    full = accounts.state(ACCOUNT, rate).tokens
    assert accounts.reserve_token(ACCOUNT, rate, BookingKind.LIST, "x").granted
    assert accounts.state(ACCOUNT, rate).tokens == full - 1


def test_a_lease_has_one_holder_and_is_free_afterwards(redis: "Redis") -> None:
    leases = LeaseStore(redis)
    with leases.hold("sweep:x", 3_600) as first, leases.hold("sweep:x", 3_600) as second:
        assert (bool(first), bool(second)) == (True, False)
    with leases.hold("sweep:x", 3_600) as again:
        assert again


def test_an_access_token_is_fetched_by_one_worker_and_removed_when_rejected(desk: Desk) -> None:
    oauth = desk.stores.oauth
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


def test_an_access_token_is_renewed_before_it_expires(desk: Desk) -> None:
    desk.stores.oauth.put(ACCOUNT, "t", 10_000)
    desk.redis.expire(keys.oauth(ACCOUNT), int(LONGEST_MARGIN))
    token = desk.stores.oauth.get(ACCOUNT)
    assert token is not None
    assert token.expires_soon
