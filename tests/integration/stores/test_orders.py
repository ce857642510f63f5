"""The fence and the due index: what an atomic step may and may not do."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.stores.conftest import ACCOUNT, RATE, Desk
from tests.waiting import STALL, crash
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.model import Attempt, Attention, Status
from willcall.stores import keys
from willcall.stores.commits import TIMELINE
from willcall.stores.polls import PollVerdict
from willcall.stores.schedule import ExpediteOutcome, ExpediteResult, Requester
from willcall.stores.submissions import SubmitOutcome


def expedite(desk: Desk, minimum: float = 1, requester: Requester = Requester.OPERATOR) -> ExpediteResult:
    """Bring an attempt forward."""
    return desk.stores.schedule.expedite("ord-1", ACCOUNT, minimum, RATE, requester)


def snapshot(desk: Desk) -> dict[str, bytes | None]:
    """Return everything in Redis, to show that nothing was written."""
    return {key: desk.redis.dump(key) for key in desk.redis.scan_iter()}


def test_submitting_again_changes_nothing_whatever_the_content(desk: Desk) -> None:
    assert desk.submit()[0] is SubmitOutcome.NEW
    before = snapshot(desk)
    assert desk.submit()[0] is SubmitOutcome.SAME
    assert desk.submit(reference="another") == (SubmitOutcome.CONFLICT, None)
    assert snapshot(desk) == before


def test_a_new_order_is_due_at_once_and_expires_after_the_ceiling(desk: Desk) -> None:
    _, message = desk.submit(ceiling=100)
    order = desk.order()
    assert message is not None
    assert message.due == order.submitted_at == order.next_poll_at
    assert order.deadline_at == order.submitted_at + 100


def test_the_ceiling_counts_from_not_before_where_that_is_later(desk: Desk) -> None:
    later = round(desk.now()) + 500.0
    _, message = desk.submit(not_before=later, ceiling=100)
    assert message is not None
    assert (message.due, desk.order().deadline_at) == (later, later + 100)
    assert desk.claim().verdict is PollVerdict.WAIT


def test_a_claim_is_granted_once(desk: Desk) -> None:
    desk.submit()
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda n: desk.claim(claim_id=str(n)).verdict, range(8)))
    assert sorted(verdicts) == ["busy"] * 7 + ["go"]


def test_a_claim_of_a_killed_worker_is_granted_again_after_the_lease(desk: Desk) -> None:
    desk.submit()
    first = desk.claim(claim_id="dead", lease=0)
    second = desk.claim(claim_id="alive")
    assert (first.verdict, second.verdict) == (PollVerdict.GO, PollVerdict.GO)
    assert second.order is not None
    assert desk.commit(second.order, "dead", status=Status.FAILED, finished_at=desk.now()) is None
    assert desk.order().status is Status.PENDING
    assert desk.commit(second.order, "alive", status=Status.FULFILLED, finished_at=desk.now()) == 0


def test_messages_of_unknown_stale_and_final_orders_poll_nothing(desk: Desk) -> None:
    assert desk.claim().verdict is PollVerdict.GONE
    desk.submit()
    assert desk.claim(seq=2).verdict is PollVerdict.STALE
    desk.commit(desk.go(), status=Status.FULFILLED, finished_at=desk.now())
    assert desk.claim(seq=1).verdict is PollVerdict.STALE
    assert desk.claim(seq=2).verdict is PollVerdict.CLOSED


def test_no_order_is_polled_before_it_is_due(desk: Desk) -> None:
    desk.submit()
    later = desk.now() + 3_600
    desk.commit(desk.go(), due_at=later)
    claim = desk.claim(seq=2)
    assert claim.verdict is PollVerdict.WAIT
    assert claim.until == pytest.approx(later, abs=0.001)


def test_a_commit_behind_the_fence_writes_nothing(desk: Desk) -> None:
    desk.submit()
    order = desk.go()
    desk.commit(order, due_at=desk.now())
    before = snapshot(desk)
    assert desk.commit(order, "another", event=True, status=Status.FAILED, finished_at=1.0) is None
    assert snapshot(desk) == before


def test_a_change_of_status_and_its_event_are_written_together(desk: Desk) -> None:
    desk.submit()
    desk.commit(desk.go(), event=True, status=Status.FULFILLED, finished_at=desk.now())
    events = list(desk.stores.events.list_after(None, 10))
    assert [(event.type, event.order_id) for event in events] == [("order.fulfilled", "ord-1")]
    assert list(desk.stores.events.list_after(events[0].cursor, 10)) == []


def test_an_order_expires_at_its_deadline_if_it_may_not_be_polled(desk: Desk) -> None:
    desk.submit(ceiling=0)
    desk.redis.hset(keys.order("ord-1"), "ask", 0)
    claim = desk.claim()
    assert claim.verdict is PollVerdict.EXPIRE
    assert claim.order is not None


def test_the_timeline_keeps_the_latest_attempts(desk: Desk) -> None:
    desk.submit()
    for seq in range(1, TIMELINE + 6):
        attempt = Attempt(float(seq), "not_ready", 202, None, "why")
        desk.commit(desk.go(seq), due_at=desk.now() - 1, attempt=attempt)
    timeline = desk.stores.orders.timeline("ord-1")
    assert [attempt.at for attempt in timeline] == [float(seq) for seq in range(6, TIMELINE + 6)]


def test_orders_of_a_paused_account_wait_aside_and_resume_together(desk: Desk) -> None:
    for n in range(5):
        desk.submit(f"ord-{n}")
    desk.park()
    assert {desk.claim(order_id=f"ord-{n}").verdict for n in range(5)} == {PollVerdict.HELD}
    assert desk.stores.listing.backlog(ACCOUNT, desk.now()).held == 5
    assert desk.order("ord-0").next_poll_at is None
    desk.stores.accounts.resume(ACCOUNT, desk.account_alert())
    released = desk.stores.schedule.release_held(ACCOUNT, 10, 0)
    assert {(message.order_id, message.seq) for message in released} == {(f"ord-{n}", 2) for n in range(5)}
    assert {desk.claim(2, f"ord-{n}").verdict for n in range(5)} <= {PollVerdict.GO, PollVerdict.WAIT}


def test_a_released_order_keeps_its_hint_and_the_minimum_after_its_last_attempt(desk: Desk) -> None:
    now = desk.now()
    for order_id, hint in {"hinted": now + 9_000, "recent": None}.items():
        desk.submit(order_id)
        desk.commit(desk.go(order_id=order_id), due_at=now, held=True, hint_until=hint, last_poll_at=now)
    due = {message.order_id: message.due for message in desk.stores.schedule.release_held(ACCOUNT, 10, 1_000)}
    assert due == pytest.approx({"hinted": now + 9_000, "recent": now + 1_000}, abs=0.002)
    assert desk.claim(3, "recent").verdict is PollVerdict.WAIT


def test_an_order_of_a_paused_account_expires_at_its_deadline(desk: Desk) -> None:
    desk.submit(ceiling=0)
    desk.park()
    assert desk.claim().verdict is PollVerdict.EXPIRE


def test_expediting_makes_an_attempt_earlier_but_never_before_a_hint(desk: Desk) -> None:
    desk.submit()
    now = desk.now()
    desk.commit(desk.go(), due_at=now + 50_000, hint_until=now + 9_000, last_poll_at=now)
    expedited = expedite(desk, minimum=1_000)
    message = expedited.message
    assert expedited.outcome is ExpediteOutcome.SENT
    assert message is not None
    assert message.seq == 3
    assert message.due == pytest.approx(now + 9_000, abs=0.002)
    again = expedite(desk, minimum=1_000)
    assert (again.outcome, again.message, again.at) == (ExpediteOutcome.SOON, None, message.due)


def test_an_operator_may_override_the_hint_of_one_order_but_not_the_minimum(desk: Desk) -> None:
    desk.submit()
    now = desk.now()
    desk.commit(desk.go(), due_at=now + 9_000, hint_until=now + 9_000, last_poll_at=now)
    expedited = expedite(desk, minimum=1_000, requester=Requester.OVERRIDE)
    assert expedited.outcome is ExpediteOutcome.SENT
    assert expedited.at == pytest.approx(now + 1_000, abs=0.002)
    assert desk.order().hint_until is None


@pytest.mark.parametrize("requester", [Requester.PROVIDER, Requester.OPERATOR])
def test_an_order_whose_hint_lies_beyond_its_deadline_is_not_polled_sooner(desk: Desk, requester: Requester) -> None:
    desk.submit(ceiling=5_000)
    now = desk.now()
    desk.commit(desk.go(), due_at=now + 5_000, hint_until=now + 9_000, last_poll_at=now)
    assert expedite(desk, requester=requester) == ExpediteResult(ExpediteOutcome.TOO_LATE)
    assert expedite(desk, requester=Requester.OVERRIDE).outcome is ExpediteOutcome.SENT


def test_expediting_keeps_the_minimum_after_the_last_attempt(desk: Desk) -> None:
    desk.submit()
    now = desk.now()
    desk.commit(desk.go(), due_at=now + 50_000, last_poll_at=now)
    message = expedite(desk, minimum=1_000).message
    assert message is not None
    assert message.due == pytest.approx(now + 1_000, abs=0.002)


def test_an_attempt_that_replaces_a_dead_one_satisfies_an_expedite_request(desk: Desk) -> None:
    desk.submit()
    assert desk.claim(claim_id="dead").verdict is PollVerdict.GO
    assert expedite(desk).outcome is ExpediteOutcome.BUSY
    desk.redis.hset(keys.order("ord-1"), "lease", 1)
    again = desk.claim(claim_id="alive")
    assert again.order is not None
    assert desk.commit(again.order, "alive", status=Status.FULFILLED, finished_at=desk.now()) == 0


def test_expediting_during_an_attempt_causes_another_right_after_it(desk: Desk) -> None:
    desk.submit()
    order = desk.go()
    assert expedite(desk).outcome is ExpediteOutcome.BUSY
    now = desk.now()
    assert desk.commit(order, due_at=now + 50_000, earliest=now + 1_000) == pytest.approx(now + 1_000, abs=0.002)


def test_a_push_during_the_fulfilling_attempt_causes_another_one(desk: Desk) -> None:
    desk.submit()
    order = desk.go()
    expedite(desk)
    now = desk.now()
    due = desk.commit(order, status=Status.FULFILLED, finished_at=now, earliest=now - 1)
    assert due == pytest.approx(now, abs=STALL)
    assert desk.go(2).status is Status.FULFILLED
    assert desk.commit(desk.order()) == 0


def test_a_push_causes_no_attempt_before_a_hint(desk: Desk) -> None:
    desk.submit(ceiling=5_000)
    order = desk.go()
    expedite(desk)
    assert desk.commit(order, due_at=order.deadline_at, earliest=order.deadline_at + 60) == order.deadline_at
    assert desk.redis.hget(keys.order("ord-1"), "express") is None


def test_expediting_an_order_that_cannot_be_polled_reports_why(desk: Desk) -> None:
    assert expedite(desk).outcome is ExpediteOutcome.GONE
    desk.submit()
    desk.park()
    desk.claim()
    assert expedite(desk).outcome is ExpediteOutcome.HELD
    desk.commit(desk.order(), "", status=Status.CANCELLED, finished_at=desk.now())
    assert expedite(desk).outcome is ExpediteOutcome.CLOSED


def test_a_fulfilled_order_can_be_polled_once_more(desk: Desk) -> None:
    desk.submit()
    desk.commit(desk.go(), status=Status.FULFILLED, finished_at=desk.now())
    assert desk.claim(seq=2).verdict is PollVerdict.CLOSED
    message = expedite(desk, minimum=0).message
    assert message is not None
    late = desk.go(message.seq)
    assert late.status is Status.FULFILLED
    desk.commit(late)
    assert desk.claim(seq=message.seq + 1).verdict is PollVerdict.CLOSED


def backdate(desk: Desk, order_id: str, due: float, account: str = ACCOUNT) -> None:
    """Make the order due at an epoch second."""
    desk.redis.hset(keys.order(order_id), "due", int(due * 1_000))
    desk.redis.zadd(keys.due(account), {order_id: int(due * 1_000)})


def test_an_overdue_order_is_sent_again_once_per_doubling_period(desk: Desk) -> None:
    desk.submit()
    resend = desk.stores.schedule.resend_polls
    backdate(desk, "ord-1", desk.now() - 5_000)
    for period in (2_000, 4_000, 8_000):
        assert [(message.order_id, message.seq) for message in resend(ACCOUNT, 1_000.0, 0, 10)[1]] == [("ord-1", 1)]
        resend_at = float(desk.redis.hget(keys.order("ord-1"), "resend_at") or 0)
        assert resend_at == pytest.approx((desk.now() + period) * 1_000, abs=STALL * 1_000)
        assert resend(ACCOUNT, 1_000.0, 0, 10) == (1, [])
        desk.redis.hset(keys.order("ord-1"), "resend_at", 1)


def test_only_one_of_two_copies_of_a_message_acts(desk: Desk) -> None:
    desk.submit()
    backdate(desk, "ord-1", desk.now() - 500)
    desk.stores.schedule.resend_polls(ACCOUNT, 100.0, 0, 10)
    order = desk.go(1)
    assert desk.claim(1, claim_id="copy").verdict is PollVerdict.BUSY
    desk.commit(order, due_at=desk.now() + 60)
    assert desk.claim(1, claim_id="copy").verdict is PollVerdict.STALE


def test_orders_in_a_long_queue_are_not_sent_again(desk: Desk) -> None:
    """Workers that are behind claim one order after the other; the next ones in their queue are late, not lost."""
    now = desk.now()
    for n in range(10):
        desk.submit(f"ord-{n}")
        backdate(desk, f"ord-{n}", now - 500 + n * 10)
    desk.go(order_id="ord-5")
    resent = desk.stores.schedule.resend_polls(ACCOUNT, 15.0, 0, 20)[1]
    assert [message.order_id for message in resent] == ["ord-0", "ord-1", "ord-2", "ord-3"]
    stopped = int((now - 60) * 1_000)
    desk.redis.hset(keys.progress(ACCOUNT), mapping={"reached_at": stopped, "busy_until": stopped})
    resent = desk.stores.schedule.resend_polls(ACCOUNT, 15.0, 0, 20)[1]
    assert [message.order_id for message in resent] == ["ord-4", "ord-6", "ord-7", "ord-8", "ord-9"]


def test_orders_queued_after_a_slow_attempt_are_not_sent_again(desk: Desk) -> None:
    """Also not those of another account of the provider, whose messages wait in the same queue."""
    now = desk.now()
    for order_id, account in {"first": "default", "next": "default", "other": "other"}.items():
        desk.submit(order_id, account=account)
        backdate(desk, order_id, now - (500 if order_id == "first" else 490), f"tiqets/{account}")
    desk.go(order_id="first")
    desk.redis.hset(keys.progress(ACCOUNT), "reached_at", int((now - 60) * 1_000))
    for account in (ACCOUNT, "tiqets/other"):
        assert desk.stores.schedule.resend_polls(account, 15.0, 0, 20)[1] == []
    desk.redis.hset(keys.progress(ACCOUNT), "busy_until", int((now - 60) * 1_000))
    assert [message.order_id for message in desk.stores.schedule.resend_polls(ACCOUNT, 15.0, 0, 20)[1]] == ["next"]
    assert [message.order_id for message in desk.stores.schedule.resend_polls("tiqets/other", 15.0, 0, 20)[1]] == [
        "other"
    ]


def test_an_order_whose_message_was_postponed_is_not_sent_again_meanwhile(desk: Desk) -> None:
    desk.submit()
    backdate(desk, "ord-1", desk.now() - 500)
    assert desk.stores.polls.postpone_resend("ord-1", 1, 60.0) is not None
    assert desk.stores.schedule.resend_polls(ACCOUNT, 1.0, 0, 10) == (1, [])
    assert desk.stores.polls.postpone_resend("ord-1", 7, 60.0) is None
    assert desk.stores.polls.postpone_resend("no-such-order", 1, 60.0) is None


def test_a_claim_or_commit_can_be_repeated_if_its_reply_was_lost(desk: Desk) -> None:
    desk.submit()
    assert desk.claim(claim_id="mine").verdict is PollVerdict.GO
    again = desk.claim(claim_id="mine")
    assert again.verdict is PollVerdict.GO
    assert again.order is not None
    later = desk.now() + 3_600
    due = desk.commit(again.order, "mine", due_at=later, event=True)
    before = snapshot(desk)
    assert desk.commit(again.order, "mine", due_at=later, event=True) == due
    assert snapshot(desk) == before


def test_an_order_that_is_being_polled_is_not_sent_again(desk: Desk) -> None:
    desk.submit()
    backdate(desk, "ord-1", desk.now() - 500)
    desk.go()
    desk.redis.hset(keys.progress(ACCOUNT), mapping={"reached_at": 1, "busy_until": 1})
    assert desk.stores.schedule.resend_polls(ACCOUNT, 1.0, 0, 10) == (1, [])


def test_the_attention_list_follows_the_order(desk: Desk) -> None:
    desk.submit()
    desk.commit(desk.go(), attention=Attention.MALFORMED, due_at=desk.now() - 1)
    assert desk.stores.listing.attention_counts() == {(ACCOUNT, Attention.MALFORMED): 1}
    desk.commit(desk.go(2), attention=None, due_at=desk.now())
    assert desk.stores.listing.attention_counts() == {}


def test_prune_removes_all_of_an_old_order_and_nothing_of_others(desk: Desk) -> None:
    desk.submit("old", metadata={"k": "v"})
    desk.submit("new")
    attempt = Attempt(1.0, "issued", 200, None, "")
    desk.commit(
        desk.go(order_id="old"), event=True, status=Status.FULFILLED, finished_at=desk.now() - 10_000, attempt=attempt
    )
    assert desk.stores.orders.prune(desk.now() - 20_000, 10) == (0, 0)
    assert desk.stores.orders.prune(desk.now() - 5_000, 10) == (1, 1)
    desk.stores.events.prune(desk.now() + 10)
    assert desk.stores.orders.get("old") is None
    assert desk.stores.orders.find_by_reference(ACCOUNT, "ref-old") is None
    left = {key for key in desk.redis.scan_iter() if "old" in key or desk.redis.type(key) == "stream"}
    assert left == {keys.EVENTS}
    assert desk.redis.xlen(keys.EVENTS) == 0
    assert desk.order("new").status is Status.PENDING


@pytest.mark.parametrize("part", ["spec", "tickets", "attempts"])
def test_an_id_never_matches_a_key_of_another_order(desk: Desk, part: str) -> None:
    desk.submit("ord-1", metadata={"k": "v"})
    before = desk.order("ord-1")
    assert desk.stores.orders.get(f"ord-1:{part}") is None
    assert desk.submit(f"ord-1:{part}")[0] is SubmitOutcome.NEW
    assert desk.order("ord-1") == before


def test_state_survives_a_crash_of_redis(desk: Desk, redis_server: EmbeddedRedis) -> None:
    desk.submit()
    desk.commit(desk.go(), due_at=desk.now() + 3_600)
    before = desk.order()
    crash(redis_server)
    redis_server.start()
    assert desk.order() == before
    assert desk.claim(seq=2).verdict is PollVerdict.WAIT
