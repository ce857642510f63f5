"""Events for operators: one per change, written in the step that makes it."""

import pytest

from tests.integration.stores.conftest import ACCOUNT, StoreHarness
from tests.waiting import STALL
from willcall.orders.callbacks import CallbackStatus, DeliveryDecision
from willcall.orders.decision import AccountSignal
from willcall.orders.model import Attention, Status
from willcall.stores import keys
from willcall.stores.accounts import OUTAGES, AccountReport, ReportResult
from willcall.stores.deliveries import DeliveryAttempt, DeliveryMessage, DeliveryVerdict, Undeliverable
from willcall.stores.events import NewEvent
from willcall.stores.operator_events import OperatorEvent
from willcall.stores.pending import PendingSummary
from willcall.stores.polls import PollVerdict as Claimed

SUBJECT = f"account:{ACCOUNT}"
PROBE = (30.0, 100.0)
GIVEN_UP = DeliveryDecision(CallbackStatus.UNDELIVERABLE)


def report(
    harness: StoreHarness,
    signal: AccountSignal,
    why: str = "200",
    *,
    until: float | None = None,
    probe: bool = False,
    send: bool = True,
) -> ReportResult:
    found = AccountReport(signal, "ord-1", probe, until, why)
    return harness.stores.accounts.report_health(ACCOUNT, ACCOUNT, found, PROBE, harness.account_alert(send=send))


def reported(harness: StoreHarness) -> list[str]:
    """Return the types of the events so far, oldest first."""
    return [event.type for event in reversed(harness.stores.ops.recent(1_000))]


def reasons(harness: StoreHarness) -> list[str]:
    """Return why orders newly needed attention, oldest first."""
    return [event.data["attention"] for event in reversed(harness.stores.ops.recent(1_000))]


def latest(harness: StoreHarness) -> OperatorEvent:
    return harness.stores.ops.recent(1)[0]


def throttled(harness: StoreHarness, since: float, until: float) -> None:
    """Move a throttle: both in seconds from now."""
    now = harness.now()
    fields = {"throttled_since": int((now + since) * 1_000), "throttled_until": int((now + until) * 1_000)}
    harness.redis.hset(keys.account(ACCOUNT), mapping=fields)


def watch(harness: StoreHarness) -> bool:
    return harness.stores.accounts.alert_long_throttle(ACCOUNT, 300.0, harness.account_alert())


def needs(harness: StoreHarness, attention: Attention | None, seq: int = 1) -> None:
    """Commit an attempt after which the order needs attention, or no longer does."""
    harness.commit(harness.go(seq), attention=attention, due_at=harness.now() - 1, alert=harness.order_alert())


def partial(harness: StoreHarness) -> None:
    harness.submit(callback_url="https://backend.example/")
    harness.commit(harness.go(), event=True, status=Status.PARTIAL, due_at=harness.now() - 1)


def give_up(harness: StoreHarness) -> None:
    """Exhaust the retries of the delivery of the first event of ord-1."""
    notice = DeliveryMessage("ord-1", "evt-1", 1, "backend.example")
    assert harness.stores.deliveries.claim(notice, "b", 3_600).verdict is DeliveryVerdict.GO
    made = DeliveryAttempt(harness.now(), "evt-1", "order.partial", 410, "", None)
    attention = NewEvent("evt-attention", "order.attention", {})
    undeliverable = Undeliverable(attention, harness.order_alert(), None)
    harness.stores.deliveries.record_delivery(notice, "b", made, GIVEN_UP, undeliverable)


def test_a_rejected_key_and_its_recovery_are_reported_once_each(harness: StoreHarness) -> None:
    for n in range(3):
        harness.submit(f"ord-{n}")
    assert report(harness, AccountSignal.UNAUTHORIZED, "401").alerted
    for _ in range(3):
        assert not report(harness, AccountSignal.UNAUTHORIZED, "401", probe=True).alerted
    event = latest(harness)
    assert (event.type, event.subject) == ("account.unauthorized", SUBJECT)
    assert event.at == pytest.approx(harness.now(), abs=STALL)
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
    assert report(harness, AccountSignal.ANSWERED).alerted
    assert not report(harness, AccountSignal.ANSWERED).alerted
    assert reported(harness) == ["account.unauthorized", "account.ok"]
    assert (latest(harness).data["was"], latest(harness).data["why"]) == ("unauthorized", "200")


def test_an_outage_is_reported_when_the_circuit_opens_and_a_later_rejected_key_too(harness: StoreHarness) -> None:
    for _ in range(OUTAGES + 3):
        report(harness, AccountSignal.UNAVAILABLE, "503")
    assert reported(harness) == ["account.down"]
    report(harness, AccountSignal.UNAUTHORIZED, "401", probe=True)
    assert reported(harness) == ["account.down", "account.unauthorized"]
    assert latest(harness).data["was"] == "down"


def test_an_outage_that_ends_with_a_429_is_over_with_the_first_good_response(harness: StoreHarness) -> None:
    for _ in range(OUTAGES):
        report(harness, AccountSignal.UNAVAILABLE, "503")
    assert not report(harness, AccountSignal.THROTTLED, "429", until=harness.now() + 1, probe=True).alerted
    assert report(harness, AccountSignal.ANSWERED).alerted
    assert reported(harness) == ["account.down", "account.ok"]


def test_a_long_throttle_is_reported_once_and_ends_with_the_first_good_response(harness: StoreHarness) -> None:
    report(harness, AccountSignal.THROTTLED, "429", until=harness.now() + 60)
    assert not watch(harness)
    throttled(harness, since=-301, until=59)
    assert watch(harness)
    assert not watch(harness)
    assert not report(harness, AccountSignal.THROTTLED, "429", until=harness.now() + 60).alerted
    assert latest(harness).data["why"] == "429"
    assert report(harness, AccountSignal.ANSWERED).alerted
    assert not watch(harness)
    assert reported(harness) == ["account.throttled", "account.ok"]
    assert latest(harness).data["was"] == "throttled"


def test_a_short_throttle_without_later_requests_is_not_long(harness: StoreHarness) -> None:
    report(harness, AccountSignal.THROTTLED, "429", until=harness.now() + 1)
    throttled(harness, since=-900, until=-899)
    assert not watch(harness)


def test_a_throttle_of_an_hour_is_reported_before_it_ends(harness: StoreHarness) -> None:
    report(harness, AccountSignal.THROTTLED, "429", until=harness.now() + 3_600)
    throttled(harness, since=-301, until=3_299)
    assert watch(harness)


def test_resuming_reports_the_end_of_a_reported_throttle(harness: StoreHarness) -> None:
    resume = harness.stores.accounts.resume
    assert not resume(ACCOUNT, ACCOUNT, harness.account_alert(), now=True).alerted
    report(harness, AccountSignal.THROTTLED, "429", until=harness.now() + 60)
    throttled(harness, since=-301, until=59)
    watch(harness)
    assert resume(ACCOUNT, ACCOUNT, harness.account_alert(), now=True).alerted
    assert not resume(ACCOUNT, ACCOUNT, harness.account_alert(), now=True).alerted
    assert reported(harness) == ["account.throttled", "account.ok"]
    assert latest(harness).data["why"] == "resumed"


@pytest.mark.parametrize(
    ("signal", "times", "why"), [(AccountSignal.UNAUTHORIZED, 1, "401"), (AccountSignal.UNAVAILABLE, OUTAGES, "503")]
)
def test_resuming_reports_no_recovery_before_a_good_response(
    harness: StoreHarness, signal: AccountSignal, times: int, why: str
) -> None:
    for _ in range(times):
        report(harness, signal, why)
    [unwell] = reported(harness)
    assert not harness.stores.accounts.resume(ACCOUNT, ACCOUNT, harness.account_alert(), now=True).alerted
    assert not report(harness, signal, why, probe=True).alerted
    assert reported(harness) == [unwell]
    harness.stores.accounts.resume(ACCOUNT, ACCOUNT, harness.account_alert())
    assert report(harness, AccountSignal.ANSWERED, "200", probe=True).alerted
    assert reported(harness) == [unwell, "account.ok"]


def test_an_order_that_newly_needs_attention_is_reported_once_per_reason(harness: StoreHarness) -> None:
    harness.submit()
    changes = [Attention.MALFORMED, Attention.MALFORMED, Attention.NOT_FOUND, None, Attention.MALFORMED]
    for seq, attention in enumerate(changes, start=1):
        needs(harness, attention, seq)
    assert reasons(harness) == ["malformed", "not_found", "malformed"]
    event = latest(harness)
    assert (event.type, event.subject) == ("order.attention", "order:ord-1")
    assert (event.data["id"], event.data["attention"]) == ("ord-1", "malformed")
    assert event.data["why"] == "The provider's response could not be read."


def test_a_fenced_off_commit_reports_nothing_and_a_repeated_one_only_once(harness: StoreHarness) -> None:
    harness.submit()
    order, soon = harness.go(), harness.now() - 1
    lost = harness.commit(order, "another", attention=Attention.MALFORMED, due_at=soon, alert=harness.order_alert())
    assert lost is None
    assert reported(harness) == []
    for _ in range(2):
        harness.commit(order, attention=Attention.MALFORMED, due_at=soon, alert=harness.order_alert())
    assert reported(harness) == ["order.attention"]


def test_orders_held_for_a_bad_key_are_reported_by_the_event_of_their_account_alone(harness: StoreHarness) -> None:
    for n in range(5):
        harness.submit(f"ord-{n}")
    report(harness, AccountSignal.UNAUTHORIZED, "401")
    for n in range(5):
        assert harness.claim(order_id=f"ord-{n}").verdict is Claimed.HELD
    assert harness.stores.listing.attention_counts() == {(ACCOUNT, Attention.UNAUTHORIZED): 5}
    assert reported(harness) == ["account.unauthorized"]


def test_an_undeliverable_order_is_reported_to_operators(harness: StoreHarness) -> None:
    partial(harness)
    give_up(harness)
    data = latest(harness).data
    assert (data["id"], data["attention"]) == ("ord-1", "undeliverable")
    assert "`willcall redeliver ord-1`" in data["what_to_do"]


def test_an_undeliverable_order_is_reported_when_another_reason_is_over(harness: StoreHarness) -> None:
    partial(harness)
    needs(harness, Attention.MALFORMED, 2)
    give_up(harness)
    assert reasons(harness) == ["malformed"]
    needs(harness, None, 3)
    assert reasons(harness) == ["malformed", "undeliverable"]


def test_without_a_url_the_event_is_in_the_stream_and_nothing_is_sent(harness: StoreHarness) -> None:
    report(harness, AccountSignal.UNAUTHORIZED, "401", send=False)
    assert reported(harness) == ["account.unauthorized"]
    assert harness.stores.ops_deliveries.pending() == PendingSummary(0, None)
    assert harness.stores.ops_deliveries.get(SUBJECT) is None


def test_only_the_latest_event_of_an_account_is_sent_and_only_to_operators(harness: StoreHarness) -> None:
    report(harness, AccountSignal.UNAUTHORIZED, "401")
    first = latest(harness)
    report(harness, AccountSignal.ANSWERED)
    second = latest(harness)
    deliveries = harness.stores.ops_deliveries
    assert deliveries.pending() == PendingSummary(1, second.at, second.subject)
    assert deliveries.claim(DeliveryMessage(SUBJECT, first.id, 1, ""), "a", 3_600).verdict is DeliveryVerdict.STALE
    granted = deliveries.claim(DeliveryMessage(SUBJECT, second.id, 1, ""), "a", 3_600)
    assert (granted.verdict, granted.event, granted.url) == (DeliveryVerdict.GO, second, None)
    assert harness.stores.events.count() == 0
    assert harness.stores.deliveries.pending() == PendingSummary(0, None)


def test_an_undeliverable_alert_marks_no_order(harness: StoreHarness) -> None:
    harness.submit()
    needs(harness, Attention.MALFORMED)
    deliveries, notice = harness.stores.ops_deliveries, DeliveryMessage("order:ord-1", latest(harness).id, 1, "")
    deliveries.claim(notice, "a", 3_600)
    made = DeliveryAttempt(harness.now(), notice.event_id, "order.attention", 410, "", None)
    assert deliveries.record_delivery(notice, "a", made, GIVEN_UP) is None
    delivery = deliveries.get("order:ord-1")
    assert delivery is not None
    assert delivery.status is CallbackStatus.UNDELIVERABLE
    assert [each.http_status for each in deliveries.attempts("order:ord-1")] == [410]
    assert harness.order().attention is Attention.MALFORMED
    assert deliveries.pending() == PendingSummary(0, None)


def test_an_overdue_alert_is_sent_again_like_any_other_delivery(harness: StoreHarness) -> None:
    report(harness, AccountSignal.UNAUTHORIZED, "401")
    overdue = harness.stores.ops_deliveries.resend_deliveries
    assert overdue(100.0, 0, 10) == (0, [])
    harness.redis.zadd(keys.OPERATOR_DELIVERIES_DUE, {SUBJECT: 1})
    assert overdue(100.0, 0, 10) == (1, [DeliveryMessage(SUBJECT, latest(harness).id, 1, "")])
    assert overdue(100.0, 0, 10) == (1, [])


def test_the_alerts_of_an_order_are_removed_with_it(harness: StoreHarness) -> None:
    harness.submit()
    needs(harness, Attention.MALFORMED)
    harness.commit(harness.go(2), status=Status.FULFILLED, finished_at=harness.now())
    deliveries, notice = harness.stores.ops_deliveries, DeliveryMessage("order:ord-1", latest(harness).id, 1, "")
    deliveries.claim(notice, "a", 3_600)
    made = DeliveryAttempt(harness.now(), notice.event_id, "order.attention", 500, "", 5.0)
    assert deliveries.record_delivery(notice, "a", made, DeliveryDecision(CallbackStatus.PENDING, 5.0)) is not None
    assert harness.stores.orders.prune(harness.now() + 10, 10) == (1, 1, 1)
    assert [key for key in harness.redis.scan_iter() if "ord-1" in key] == []
    assert deliveries.pending() == PendingSummary(0, None)
    assert harness.redis.zcard(keys.OPERATOR_DELIVERIES_DUE) == 0


def test_the_stream_is_bounded(harness: StoreHarness) -> None:
    for _ in range(800):
        report(harness, AccountSignal.UNAUTHORIZED, "401")
        report(harness, AccountSignal.ANSWERED)
    assert 1_000 <= harness.redis.xlen(keys.OPERATOR_EVENTS) < 1_300
