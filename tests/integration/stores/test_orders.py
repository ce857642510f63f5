"""The fence and the due index: what an atomic step may and may not do."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.stores.conftest import ACCOUNT, RATE, StoreHarness
from tests.waiting import STALL
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.model import Attempt, Attention, Status
from willcall.stores import keys
from willcall.stores.commits import TIMELINE
from willcall.stores.polls import PollVerdict
from willcall.stores.schedule import ExpediteOutcome, ExpediteResult, Requester
from willcall.stores.submissions import SubmitOutcome


def expedite(harness: StoreHarness, minimum: float = 1, requester: Requester = Requester.OPERATOR) -> ExpediteResult:
    """Bring an attempt forward."""
    return harness.stores.schedule.expedite("ord-1", ACCOUNT, minimum, RATE, requester)


def snapshot(harness: StoreHarness) -> dict[str, bytes | None]:
    """Return everything in Redis, to show that nothing was written."""
    return {key: harness.redis.dump(key) for key in harness.redis.scan_iter()}


def test_submitting_again_changes_nothing_whatever_the_content(harness: StoreHarness) -> None:
    assert harness.submit()[0] is SubmitOutcome.NEW
    before = snapshot(harness)
    assert harness.submit()[0] is SubmitOutcome.SAME
    assert harness.submit(reference="another") == (SubmitOutcome.CONFLICT, None)
    assert snapshot(harness) == before


def test_a_new_order_is_due_at_once_and_expires_after_the_ceiling(harness: StoreHarness) -> None:
    _, message = harness.submit(ceiling=100)
    order = harness.order()
    assert message is not None
    assert message.due == order.submitted_at == order.next_poll_at
    assert order.deadline_at == order.submitted_at + 100


def test_the_ceiling_counts_from_not_before_where_that_is_later(harness: StoreHarness) -> None:
    later = round(harness.now()) + 500.0
    _, message = harness.submit(not_before=later, ceiling=100)
    assert message is not None
    assert (message.due, harness.order().deadline_at) == (later, later + 100)
    assert harness.claim().verdict is PollVerdict.WAIT


def test_a_claim_is_granted_once(harness: StoreHarness) -> None:
    harness.submit()
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda n: harness.claim(claim_id=str(n)).verdict, range(8)))
    assert sorted(verdicts) == ["busy"] * 7 + ["go"]


def test_a_claim_of_a_killed_worker_is_granted_again_after_the_lease(harness: StoreHarness) -> None:
    harness.submit()
    first = harness.claim(claim_id="dead", lease=0)
    second = harness.claim(claim_id="alive")
    assert (first.verdict, second.verdict) == (PollVerdict.GO, PollVerdict.GO)
    assert second.order is not None
    assert harness.commit(second.order, "dead", status=Status.FAILED, finished_at=harness.now()) is None
    assert harness.order().status is Status.PENDING
    assert harness.commit(second.order, "alive", status=Status.FULFILLED, finished_at=harness.now()) == 0


def test_messages_of_unknown_stale_and_final_orders_poll_nothing(harness: StoreHarness) -> None:
    assert harness.claim().verdict is PollVerdict.GONE
    harness.submit()
    assert harness.claim(seq=2).verdict is PollVerdict.STALE
    harness.commit(harness.go(), status=Status.FULFILLED, finished_at=harness.now())
    assert harness.claim(seq=1).verdict is PollVerdict.STALE
    assert harness.claim(seq=2).verdict is PollVerdict.CLOSED


def test_no_order_is_polled_before_it_is_due(harness: StoreHarness) -> None:
    harness.submit()
    later = harness.now() + 3_600
    harness.commit(harness.go(), due_at=later)
    claim = harness.claim(seq=2)
    assert claim.verdict is PollVerdict.WAIT
    assert claim.until == pytest.approx(later, abs=0.001)


def test_a_commit_behind_the_fence_writes_nothing(harness: StoreHarness) -> None:
    harness.submit()
    order = harness.go()
    harness.commit(order, due_at=harness.now())
    before = snapshot(harness)
    assert harness.commit(order, "another", event=True, status=Status.FAILED, finished_at=1.0) is None
    assert snapshot(harness) == before


def test_a_change_of_status_and_its_event_are_written_together(harness: StoreHarness) -> None:
    harness.submit()
    harness.commit(harness.go(), event=True, status=Status.FULFILLED, finished_at=harness.now())
    events = list(harness.stores.events.list_after(None, 10))
    assert [(event.type, event.order_id) for event in events] == [("order.fulfilled", "ord-1")]
    assert list(harness.stores.events.list_after(events[0].cursor, 10)) == []


def test_an_order_expires_at_its_deadline_if_it_may_not_be_polled(harness: StoreHarness) -> None:
    harness.submit(ceiling=0)
    harness.redis.hset(keys.order("ord-1"), "ask", 0)
    claim = harness.claim()
    assert claim.verdict is PollVerdict.EXPIRE
    assert claim.order is not None


def test_the_timeline_keeps_the_latest_attempts(harness: StoreHarness) -> None:
    harness.submit()
    for seq in range(1, TIMELINE + 6):
        attempt = Attempt(float(seq), "not_ready", 202, None, "why")
        harness.commit(harness.go(seq), due_at=harness.now() - 1, attempt=attempt)
    timeline = harness.stores.orders.timeline("ord-1")
    assert [attempt.at for attempt in timeline] == [float(seq) for seq in range(6, TIMELINE + 6)]


def test_orders_of_a_paused_account_are_held_and_released_together(harness: StoreHarness) -> None:
    for n in range(5):
        harness.submit(f"ord-{n}")
    harness.park()
    assert {harness.claim(order_id=f"ord-{n}").verdict for n in range(5)} == {PollVerdict.HELD}
    assert harness.stores.listing.backlog(ACCOUNT, harness.now()).held == 5
    assert harness.order("ord-0").next_poll_at is None
    harness.stores.accounts.resume(ACCOUNT, ACCOUNT, harness.account_alert())
    released = harness.stores.schedule.release_held(ACCOUNT, 10, 0)
    assert {(message.order_id, message.seq) for message in released} == {(f"ord-{n}", 2) for n in range(5)}
    assert {harness.claim(2, f"ord-{n}").verdict for n in range(5)} <= {PollVerdict.GO, PollVerdict.WAIT}


def test_a_released_order_keeps_its_hint_and_the_minimum_after_its_last_attempt(harness: StoreHarness) -> None:
    now = harness.now()
    for order_id, hint in {"hinted": now + 9_000, "recent": None}.items():
        harness.submit(order_id)
        harness.commit(harness.go(order_id=order_id), due_at=now, held=True, hint_until=hint, last_poll_at=now)
    due = {message.order_id: message.due for message in harness.stores.schedule.release_held(ACCOUNT, 10, 1_000)}
    assert due == pytest.approx({"hinted": now + 9_000, "recent": now + 1_000}, abs=0.002)
    assert harness.claim(3, "recent").verdict is PollVerdict.WAIT


def test_an_order_of_a_paused_account_expires_at_its_deadline(harness: StoreHarness) -> None:
    harness.submit(ceiling=0)
    harness.park()
    assert harness.claim().verdict is PollVerdict.EXPIRE


def test_expediting_makes_an_attempt_earlier_but_never_before_a_hint(harness: StoreHarness) -> None:
    harness.submit()
    now = harness.now()
    harness.commit(harness.go(), due_at=now + 50_000, hint_until=now + 9_000, last_poll_at=now)
    expedited = expedite(harness, minimum=1_000)
    message = expedited.message
    assert expedited.outcome is ExpediteOutcome.SENT
    assert message is not None
    assert message.seq == 3
    assert message.due == pytest.approx(now + 9_000, abs=0.002)
    again = expedite(harness, minimum=1_000)
    assert (again.outcome, again.message, again.at) == (ExpediteOutcome.SOON, None, message.due)


def test_an_operator_may_override_the_hint_of_one_order_but_not_the_minimum(harness: StoreHarness) -> None:
    harness.submit()
    now = harness.now()
    harness.commit(harness.go(), due_at=now + 9_000, hint_until=now + 9_000, last_poll_at=now)
    expedited = expedite(harness, minimum=1_000, requester=Requester.OVERRIDE)
    assert expedited.outcome is ExpediteOutcome.SENT
    assert expedited.at == pytest.approx(now + 1_000, abs=0.002)
    assert harness.order().hint_until is None


@pytest.mark.parametrize("requester", [Requester.PROVIDER, Requester.OPERATOR])
def test_an_order_with_a_hint_after_its_deadline_is_not_expedited(harness: StoreHarness, requester: Requester) -> None:
    harness.submit(ceiling=5_000)
    now = harness.now()
    harness.commit(harness.go(), due_at=now + 5_000, hint_until=now + 9_000, last_poll_at=now)
    assert expedite(harness, requester=requester) == ExpediteResult(ExpediteOutcome.TOO_LATE)
    assert expedite(harness, requester=Requester.OVERRIDE).outcome is ExpediteOutcome.SENT


def test_expediting_keeps_the_minimum_after_the_last_attempt(harness: StoreHarness) -> None:
    harness.submit()
    now = harness.now()
    harness.commit(harness.go(), due_at=now + 50_000, last_poll_at=now)
    message = expedite(harness, minimum=1_000).message
    assert message is not None
    assert message.due == pytest.approx(now + 1_000, abs=0.002)


def test_an_attempt_that_replaces_a_dead_one_satisfies_an_expedite_request(harness: StoreHarness) -> None:
    harness.submit()
    assert harness.claim(claim_id="dead").verdict is PollVerdict.GO
    assert expedite(harness).outcome is ExpediteOutcome.BUSY
    harness.redis.hset(keys.order("ord-1"), "lease", 1)
    again = harness.claim(claim_id="alive")
    assert again.order is not None
    assert harness.commit(again.order, "alive", status=Status.FULFILLED, finished_at=harness.now()) == 0


def test_expediting_during_an_attempt_causes_another_right_after_it(harness: StoreHarness) -> None:
    harness.submit()
    order = harness.go()
    assert expedite(harness).outcome is ExpediteOutcome.BUSY
    now = harness.now()
    assert harness.commit(order, due_at=now + 50_000, earliest=now + 1_000) == pytest.approx(now + 1_000, abs=0.002)


def test_a_push_during_the_fulfilling_attempt_causes_another_one(harness: StoreHarness) -> None:
    harness.submit()
    order = harness.go()
    expedite(harness)
    now = harness.now()
    due = harness.commit(order, status=Status.FULFILLED, finished_at=now, earliest=now - 1)
    assert due == pytest.approx(now, abs=STALL)
    assert harness.go(2).status is Status.FULFILLED
    assert harness.commit(harness.order()) == 0


def test_a_push_causes_no_attempt_before_a_hint(harness: StoreHarness) -> None:
    harness.submit(ceiling=5_000)
    order = harness.go()
    expedite(harness)
    assert harness.commit(order, due_at=order.deadline_at, earliest=order.deadline_at + 60) == order.deadline_at
    assert harness.redis.hget(keys.order("ord-1"), "express") is None


def test_expediting_an_order_that_cannot_be_polled_reports_why(harness: StoreHarness) -> None:
    assert expedite(harness).outcome is ExpediteOutcome.GONE
    harness.submit()
    harness.park()
    harness.claim()
    assert expedite(harness).outcome is ExpediteOutcome.HELD
    harness.commit(harness.order(), "", status=Status.CANCELLED, finished_at=harness.now())
    assert expedite(harness).outcome is ExpediteOutcome.CLOSED


def test_a_fulfilled_order_can_be_polled_once_more(harness: StoreHarness) -> None:
    harness.submit()
    harness.commit(harness.go(), status=Status.FULFILLED, finished_at=harness.now())
    assert harness.claim(seq=2).verdict is PollVerdict.CLOSED
    message = expedite(harness, minimum=0).message
    assert message is not None
    late = harness.go(message.seq)
    assert late.status is Status.FULFILLED
    harness.commit(late)
    assert harness.claim(seq=message.seq + 1).verdict is PollVerdict.CLOSED


def backdate(harness: StoreHarness, order_id: str, due: float, account: str = ACCOUNT) -> None:
    """Make the order due at an epoch second."""
    harness.redis.hset(keys.order(order_id), "due", int(due * 1_000))
    harness.redis.zadd(keys.due(account), {order_id: int(due * 1_000)})


def test_an_overdue_order_is_sent_again_once_per_doubling_period(harness: StoreHarness) -> None:
    harness.submit()
    resend = harness.stores.schedule.resend_polls
    backdate(harness, "ord-1", harness.now() - 5_000)
    for period in (2_000, 4_000, 8_000):
        assert [(message.order_id, message.seq) for message in resend(ACCOUNT, 1_000.0, 0, 10)[1]] == [("ord-1", 1)]
        resend_at = float(harness.redis.hget(keys.order("ord-1"), "resend_at") or 0)
        assert resend_at == pytest.approx((harness.now() + period) * 1_000, abs=STALL * 1_000)
        assert resend(ACCOUNT, 1_000.0, 0, 10) == (1, [])
        harness.redis.hset(keys.order("ord-1"), "resend_at", 1)


def test_only_one_of_two_copies_of_a_message_acts(harness: StoreHarness) -> None:
    harness.submit()
    backdate(harness, "ord-1", harness.now() - 500)
    harness.stores.schedule.resend_polls(ACCOUNT, 100.0, 0, 10)
    order = harness.go(1)
    assert harness.claim(1, claim_id="copy").verdict is PollVerdict.BUSY
    harness.commit(order, due_at=harness.now() + 60)
    assert harness.claim(1, claim_id="copy").verdict is PollVerdict.STALE


def test_orders_in_a_long_queue_are_not_sent_again(harness: StoreHarness) -> None:
    """Workers that are behind claim one order after the other; the next ones in their queue are late, not lost."""
    now = harness.now()
    for n in range(10):
        harness.submit(f"ord-{n}")
        backdate(harness, f"ord-{n}", now - 500 + n * 10)
    harness.go(order_id="ord-5")
    resent = harness.stores.schedule.resend_polls(ACCOUNT, 15.0, 0, 20)[1]
    assert [message.order_id for message in resent] == ["ord-0", "ord-1", "ord-2", "ord-3"]
    stopped = int((now - 60) * 1_000)
    harness.redis.hset(keys.progress(ACCOUNT), mapping={"reached_at": stopped, "busy_until": stopped})
    resent = harness.stores.schedule.resend_polls(ACCOUNT, 15.0, 0, 20)[1]
    assert [message.order_id for message in resent] == ["ord-4", "ord-6", "ord-7", "ord-8", "ord-9"]


def test_orders_queued_after_a_slow_attempt_are_not_sent_again(harness: StoreHarness) -> None:
    """Also not those of another account of the provider, whose messages wait in the same queue."""
    now = harness.now()
    for order_id, account in {"first": "default", "next": "default", "other": "other"}.items():
        harness.submit(order_id, account=account)
        backdate(harness, order_id, now - (500 if order_id == "first" else 490), f"tiqets/{account}")
    harness.go(order_id="first")
    harness.redis.hset(keys.progress(ACCOUNT), "reached_at", int((now - 60) * 1_000))
    for account in (ACCOUNT, "tiqets/other"):
        assert harness.stores.schedule.resend_polls(account, 15.0, 0, 20)[1] == []
    harness.redis.hset(keys.progress(ACCOUNT), "busy_until", int((now - 60) * 1_000))
    assert [message.order_id for message in harness.stores.schedule.resend_polls(ACCOUNT, 15.0, 0, 20)[1]] == ["next"]
    assert [message.order_id for message in harness.stores.schedule.resend_polls("tiqets/other", 15.0, 0, 20)[1]] == [
        "other"
    ]


def test_an_order_with_a_postponed_message_is_not_sent_again(harness: StoreHarness) -> None:
    harness.submit()
    backdate(harness, "ord-1", harness.now() - 500)
    assert harness.stores.polls.postpone_resend("ord-1", 1, 60.0) is not None
    assert harness.stores.schedule.resend_polls(ACCOUNT, 1.0, 0, 10) == (1, [])
    assert harness.stores.polls.postpone_resend("ord-1", 7, 60.0) is None
    assert harness.stores.polls.postpone_resend("no-such-order", 1, 60.0) is None


def test_a_claim_or_commit_can_be_repeated_if_its_reply_was_lost(harness: StoreHarness) -> None:
    harness.submit()
    assert harness.claim(claim_id="mine").verdict is PollVerdict.GO
    again = harness.claim(claim_id="mine")
    assert again.verdict is PollVerdict.GO
    assert again.order is not None
    later = harness.now() + 3_600
    due = harness.commit(again.order, "mine", due_at=later, event=True)
    before = snapshot(harness)
    assert harness.commit(again.order, "mine", due_at=later, event=True) == due
    assert snapshot(harness) == before


def test_an_order_that_is_being_polled_is_not_sent_again(harness: StoreHarness) -> None:
    harness.submit()
    backdate(harness, "ord-1", harness.now() - 500)
    harness.go()
    harness.redis.hset(keys.progress(ACCOUNT), mapping={"reached_at": 1, "busy_until": 1})
    assert harness.stores.schedule.resend_polls(ACCOUNT, 1.0, 0, 10) == (1, [])


def test_the_attention_list_follows_the_order(harness: StoreHarness) -> None:
    harness.submit()
    harness.commit(harness.go(), attention=Attention.MALFORMED, due_at=harness.now() - 1)
    assert harness.stores.listing.attention_counts() == {(ACCOUNT, Attention.MALFORMED): 1}
    harness.commit(harness.go(2), attention=None, due_at=harness.now())
    assert harness.stores.listing.attention_counts() == {}


def test_prune_removes_all_of_an_old_order_and_nothing_of_others(harness: StoreHarness) -> None:
    harness.submit("old", metadata={"k": "v"})
    harness.submit("new")
    attempt = Attempt(1.0, "issued", 200, None, "")
    harness.commit(
        harness.go(order_id="old"),
        event=True,
        status=Status.FULFILLED,
        finished_at=harness.now() - 10_000,
        attempt=attempt,
    )
    assert harness.stores.orders.prune(harness.now() - 20_000, 10) == (0, 0, 0)
    assert harness.stores.orders.prune(harness.now() - 5_000, 10) == (1, 1, 1)
    harness.stores.events.prune(harness.now() + 10)
    assert harness.stores.orders.get("old") is None
    assert harness.stores.orders.find_by_reference(ACCOUNT, "ref-old") == []
    left = {key for key in harness.redis.scan_iter() if "old" in key or harness.redis.type(key) == "stream"}
    assert left == {keys.EVENTS}
    assert harness.redis.xlen(keys.EVENTS) == 0
    assert harness.order("new").status is Status.PENDING


@pytest.mark.parametrize("part", ["spec", "tickets", "attempts"])
def test_an_id_never_matches_a_key_of_another_order(harness: StoreHarness, part: str) -> None:
    harness.submit("ord-1", metadata={"k": "v"})
    before = harness.order("ord-1")
    assert harness.stores.orders.get(f"ord-1:{part}") is None
    assert harness.submit(f"ord-1:{part}")[0] is SubmitOutcome.NEW
    assert harness.order("ord-1") == before


def test_state_survives_a_crash_of_redis(harness: StoreHarness, redis_server: EmbeddedRedis) -> None:
    harness.submit()
    harness.commit(harness.go(), due_at=harness.now() + 3_600)
    before = harness.order()
    redis_server.kill()
    redis_server.start()
    assert harness.order() == before
    assert harness.claim(seq=2).verdict is PollVerdict.WAIT
