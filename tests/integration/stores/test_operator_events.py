"""Events for operators: one per change, written in the step that makes it."""

import pytest

from tests.integration.stores.conftest import ACCOUNT, Desk
from tests.waiting import STALL
from willcall.orders.callbacks import CallbackStatus, DeliveryDecision
from willcall.orders.decision import AccountSignal
from willcall.orders.model import Attention, Status
from willcall.stores import keys
from willcall.stores.accounts import OUTAGES, AccountReport, ReportResult
from willcall.stores.deliveries import DeliveryAttempt, DeliveryMessage, DeliveryVerdict
from willcall.stores.operator_events import OperatorEvent
from willcall.stores.pending import PendingSummary
from willcall.stores.polls import PollVerdict as Claimed

SUBJECT = f"account:{ACCOUNT}"
PROBE = (30.0, 100.0)
GIVEN_UP = DeliveryDecision(CallbackStatus.UNDELIVERABLE)


def report(
    desk: Desk,
    signal: AccountSignal,
    why: str = "200",
    *,
    until: float | None = None,
    probe: bool = False,
    send: bool = True,
) -> ReportResult:
    found = AccountReport(signal, "ord-1", probe, until, why)
    return desk.stores.accounts.report_health(ACCOUNT, found, PROBE, desk.account_alert(send=send))


def told(desk: Desk) -> list[str]:
    """Return the types of the events so far, oldest first."""
    return [event.type for event in reversed(desk.stores.ops.recent(1_000))]


def reasons(desk: Desk) -> list[str]:
    """Return why orders newly needed attention, oldest first."""
    return [event.data["attention"] for event in reversed(desk.stores.ops.recent(1_000))]


def latest(desk: Desk) -> OperatorEvent:
    return desk.stores.ops.recent(1)[0]


def throttled(desk: Desk, since: float, until: float) -> None:
    """Move a throttle: both in seconds from now."""
    now = desk.now()
    fields = {"throttled_since": int((now + since) * 1_000), "throttled_until": int((now + until) * 1_000)}
    desk.redis.hset(keys.account(ACCOUNT), mapping=fields)


def watch(desk: Desk) -> bool:
    return desk.stores.accounts.alert_long_throttle(ACCOUNT, 300.0, desk.account_alert())


def needs(desk: Desk, attention: Attention | None, seq: int = 1) -> None:
    """Commit an attempt after which the order needs attention, or no longer does."""
    desk.commit(desk.go(seq), attention=attention, due_at=desk.now() - 1, alert=desk.order_alert())


def partial(desk: Desk) -> None:
    desk.submit(callback_url="https://backend.example/")
    desk.commit(desk.go(), event=True, status=Status.PARTIAL, due_at=desk.now() - 1)


def give_up(desk: Desk) -> None:
    """Give up the delivery of the first event of ord-1."""
    notice = DeliveryMessage("ord-1", "evt-1", 1, "backend.example")
    assert desk.stores.deliveries.claim(notice, "b", 3_600).verdict is DeliveryVerdict.GO
    made = DeliveryAttempt(desk.now(), "evt-1", "order.partial", 410, "", None)
    desk.stores.deliveries.record_delivery(notice, "b", made, GIVEN_UP, desk.order_alert())


def test_a_refused_key_is_reported_once_and_so_is_its_working_again(desk: Desk) -> None:
    for n in range(3):
        desk.submit(f"ord-{n}")
    assert report(desk, AccountSignal.UNAUTHORIZED, "401").alerted
    for _ in range(3):
        assert not report(desk, AccountSignal.UNAUTHORIZED, "401", probe=True).alerted
    event = latest(desk)
    assert (event.type, event.subject) == ("account.unauthorized", SUBJECT)
    assert event.at == pytest.approx(desk.now(), abs=STALL)
    data = dict(event.data)
    assert "willcall resume tiqets/default" in data.pop("what_to_do")
    assert data.pop("since") == event.to_json()["occurred_at"]
    assert data == {
        "provider": "tiqets",
        "account": "default",
        "health": "unauthorized",
        "was": "ok",
        "why": "401",
        "orders_waiting": 3,
    }
    assert report(desk, AccountSignal.ANSWERED).alerted
    assert not report(desk, AccountSignal.ANSWERED).alerted
    assert told(desk) == ["account.unauthorized", "account.ok"]
    assert (latest(desk).data["was"], latest(desk).data["why"]) == ("unauthorized", "200")


def test_an_outage_is_reported_when_the_circuit_opens_and_a_refused_key_after_it_too(desk: Desk) -> None:
    for _ in range(OUTAGES + 3):
        report(desk, AccountSignal.UNAVAILABLE, "503")
    assert told(desk) == ["account.down"]
    report(desk, AccountSignal.UNAUTHORIZED, "401", probe=True)
    assert told(desk) == ["account.down", "account.unauthorized"]
    assert latest(desk).data["was"] == "down"


def test_an_outage_that_ends_with_a_429_is_over_with_the_first_good_response(desk: Desk) -> None:
    for _ in range(OUTAGES):
        report(desk, AccountSignal.UNAVAILABLE, "503")
    assert not report(desk, AccountSignal.THROTTLED, "429", until=desk.now() + 1, probe=True).alerted
    assert report(desk, AccountSignal.ANSWERED).alerted
    assert told(desk) == ["account.down", "account.ok"]


def test_a_throttle_is_reported_once_when_it_has_lasted_and_is_over_with_the_first_good_answer(desk: Desk) -> None:
    report(desk, AccountSignal.THROTTLED, "429", until=desk.now() + 60)
    assert not watch(desk)
    throttled(desk, since=-301, until=59)
    assert watch(desk)
    assert not watch(desk)
    assert not report(desk, AccountSignal.THROTTLED, "429", until=desk.now() + 60).alerted
    assert latest(desk).data["why"] == "429"
    assert report(desk, AccountSignal.ANSWERED).alerted
    assert not watch(desk)
    assert told(desk) == ["account.throttled", "account.ok"]
    assert latest(desk).data["was"] == "throttled"


def test_a_short_throttle_without_later_requests_is_not_long(desk: Desk) -> None:
    report(desk, AccountSignal.THROTTLED, "429", until=desk.now() + 1)
    throttled(desk, since=-900, until=-899)
    assert not watch(desk)


def test_a_throttle_of_an_hour_is_reported_before_it_ends(desk: Desk) -> None:
    report(desk, AccountSignal.THROTTLED, "429", until=desk.now() + 3_600)
    throttled(desk, since=-301, until=3_299)
    assert watch(desk)


def test_resuming_reports_that_a_throttle_is_over_if_it_was_reported(desk: Desk) -> None:
    resume = desk.stores.accounts.resume
    assert not resume(ACCOUNT, desk.account_alert(), now=True).alerted
    report(desk, AccountSignal.THROTTLED, "429", until=desk.now() + 60)
    throttled(desk, since=-301, until=59)
    watch(desk)
    assert resume(ACCOUNT, desk.account_alert(), now=True).alerted
    assert not resume(ACCOUNT, desk.account_alert(), now=True).alerted
    assert told(desk) == ["account.throttled", "account.ok"]
    assert latest(desk).data["why"] == "resumed"


@pytest.mark.parametrize(
    ("signal", "times", "why"), [(AccountSignal.UNAUTHORIZED, 1, "401"), (AccountSignal.UNAVAILABLE, OUTAGES, "503")]
)
def test_resuming_reports_no_recovery_before_a_good_response(
    desk: Desk, signal: AccountSignal, times: int, why: str
) -> None:
    for _ in range(times):
        report(desk, signal, why)
    [unwell] = told(desk)
    assert not desk.stores.accounts.resume(ACCOUNT, desk.account_alert(), now=True).alerted
    assert not report(desk, signal, why, probe=True).alerted
    assert told(desk) == [unwell]
    desk.stores.accounts.resume(ACCOUNT, desk.account_alert())
    assert report(desk, AccountSignal.ANSWERED, "200", probe=True).alerted
    assert told(desk) == [unwell, "account.ok"]


def test_an_order_that_newly_needs_attention_is_reported_once_per_reason(desk: Desk) -> None:
    desk.submit()
    changes = [Attention.MALFORMED, Attention.MALFORMED, Attention.NOT_FOUND, None, Attention.MALFORMED]
    for seq, attention in enumerate(changes, start=1):
        needs(desk, attention, seq)
    assert reasons(desk) == ["malformed", "not_found", "malformed"]
    event = latest(desk)
    assert (event.type, event.subject) == ("order.attention", "order:ord-1")
    assert (event.data["id"], event.data["attention"]) == ("ord-1", "malformed")
    assert event.data["why"] == "The provider's response could not be read."


def test_a_fenced_off_commit_reports_nothing_and_a_repeated_one_only_once(desk: Desk) -> None:
    desk.submit()
    order, soon = desk.go(), desk.now() - 1
    lost = desk.commit(order, "another", attention=Attention.MALFORMED, due_at=soon, alert=desk.order_alert())
    assert lost is None
    assert told(desk) == []
    for _ in range(2):
        desk.commit(order, attention=Attention.MALFORMED, due_at=soon, alert=desk.order_alert())
    assert told(desk) == ["order.attention"]


def test_orders_held_for_a_bad_key_are_reported_by_the_event_of_their_account_alone(desk: Desk) -> None:
    for n in range(5):
        desk.submit(f"ord-{n}")
    report(desk, AccountSignal.UNAUTHORIZED, "401")
    for n in range(5):
        assert desk.claim(order_id=f"ord-{n}").verdict is Claimed.HELD
    assert desk.stores.listing.attention_counts() == {(ACCOUNT, Attention.UNAUTHORIZED): 5}
    assert told(desk) == ["account.unauthorized"]


def test_an_order_whose_backend_could_not_be_notified_is_reported_to_operators(desk: Desk) -> None:
    partial(desk)
    give_up(desk)
    data = latest(desk).data
    assert (data["id"], data["attention"]) == ("ord-1", "undeliverable")
    assert "`willcall redeliver ord-1`" in data["what_to_do"]


def test_that_a_backend_could_not_be_notified_is_reported_when_another_reason_is_over(desk: Desk) -> None:
    partial(desk)
    needs(desk, Attention.MALFORMED, 2)
    give_up(desk)
    assert reasons(desk) == ["malformed"]
    needs(desk, None, 3)
    assert reasons(desk) == ["malformed", "undeliverable"]


def test_without_a_url_the_event_is_in_the_stream_and_nothing_is_sent(desk: Desk) -> None:
    report(desk, AccountSignal.UNAUTHORIZED, "401", send=False)
    assert told(desk) == ["account.unauthorized"]
    assert desk.stores.ops_deliveries.pending() == PendingSummary(0, None)
    assert desk.stores.ops_deliveries.get(SUBJECT) is None


def test_only_the_latest_event_of_an_account_is_sent_and_only_to_operators(desk: Desk) -> None:
    report(desk, AccountSignal.UNAUTHORIZED, "401")
    first = latest(desk)
    report(desk, AccountSignal.ANSWERED)
    second = latest(desk)
    deliveries = desk.stores.ops_deliveries
    assert deliveries.pending() == PendingSummary(1, second.at, second.subject)
    assert deliveries.claim(DeliveryMessage(SUBJECT, first.id, 1, ""), "a", 3_600).verdict is DeliveryVerdict.STALE
    granted = deliveries.claim(DeliveryMessage(SUBJECT, second.id, 1, ""), "a", 3_600)
    assert (granted.verdict, granted.event, granted.url) == (DeliveryVerdict.GO, second, "")
    assert desk.stores.events.count() == 0
    assert desk.stores.deliveries.pending() == PendingSummary(0, None)


def test_what_operators_could_not_be_notified_of_marks_no_order(desk: Desk) -> None:
    desk.submit()
    needs(desk, Attention.MALFORMED)
    deliveries, notice = desk.stores.ops_deliveries, DeliveryMessage("order:ord-1", latest(desk).id, 1, "")
    deliveries.claim(notice, "a", 3_600)
    made = DeliveryAttempt(desk.now(), notice.event_id, "order.attention", 410, "", None)
    assert deliveries.record_delivery(notice, "a", made, GIVEN_UP) is None
    stands = deliveries.get("order:ord-1")
    assert stands is not None
    assert stands.status is CallbackStatus.UNDELIVERABLE
    assert [each.http_status for each in deliveries.attempts("order:ord-1")] == [410]
    assert desk.order().attention is Attention.MALFORMED
    assert deliveries.pending() == PendingSummary(0, None)


def test_an_overdue_alert_is_sent_again_like_any_other_delivery(desk: Desk) -> None:
    report(desk, AccountSignal.UNAUTHORIZED, "401")
    overdue = desk.stores.ops_deliveries.resend_deliveries
    assert overdue(100.0, 0, 10) == (0, [])
    desk.redis.zadd(keys.OPERATOR_DELIVERIES_DUE, {SUBJECT: 1})
    assert overdue(100.0, 0, 10) == (1, [DeliveryMessage(SUBJECT, latest(desk).id, 1, "")])
    assert overdue(100.0, 0, 10) == (1, [])


def test_what_was_to_be_reported_of_an_order_goes_with_it(desk: Desk) -> None:
    desk.submit()
    needs(desk, Attention.MALFORMED)
    desk.commit(desk.go(2), status=Status.FULFILLED, finished_at=desk.now())
    deliveries, notice = desk.stores.ops_deliveries, DeliveryMessage("order:ord-1", latest(desk).id, 1, "")
    deliveries.claim(notice, "a", 3_600)
    made = DeliveryAttempt(desk.now(), notice.event_id, "order.attention", 500, "", 5.0)
    assert deliveries.record_delivery(notice, "a", made, DeliveryDecision(CallbackStatus.PENDING, 5.0)) is not None
    assert desk.stores.orders.prune(desk.now() + 10, 10) == (1, 1)
    assert [key for key in desk.redis.scan_iter() if "ord-1" in key] == []
    assert deliveries.pending() == PendingSummary(0, None)
    assert desk.redis.zcard(keys.OPERATOR_DELIVERIES_DUE) == 0


def test_the_stream_is_bounded(desk: Desk) -> None:
    for _ in range(800):
        report(desk, AccountSignal.UNAUTHORIZED, "401")
        report(desk, AccountSignal.ANSWERED)
    assert 1_000 <= desk.redis.xlen(keys.OPERATOR_EVENTS) < 1_300
