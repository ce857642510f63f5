from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.chaos import checks
from bench.chaos.checks import CHECKS, Check
from bench.chaos.faults import OUTAGES, FaultKind
from bench.chaos.history import (
    CommittedAttempt,
    FinalOrder,
    History,
    InjectedFault,
    ProcessExit,
    ProviderPush,
    ProviderRequest,
    StreamEvent,
    SubmittedOrder,
    match_attempts,
)
from bench.chaos.scorecard import figures
from tests.unit.bench.conftest import (
    ALERTS,
    CALLBACKS,
    EVENTS,
    EXPIRED,
    FULFILLED,
    GOOD,
    ONE,
    PUSHES,
    TWO,
    ChangeHistory,
    message,
    request,
)


def hit(kind: FaultKind, start: float, end: float | None = None) -> InjectedFault:
    return InjectedFault(kind, "somebody", start, start if end is None else end)


def with_request(*more: ProviderRequest) -> tuple[ProviderRequest, ...]:
    return (*GOOD.requests, *more)


@pytest.mark.parametrize("check", CHECKS)
def test_a_good_history_passes(check: Check) -> None:
    assert check(GOOD) == []


def at_risk(*moments: float) -> dict[str, object]:
    """Events of order a, which was submitted at 100 for an event at 130, so it is at risk from 115."""
    events = [StreamEvent(f"{moment * 1_000:.0f}-0", f"evt_risk_{moment}", "order.at_risk", "a") for moment in moments]
    order = replace(GOOD.final_orders["a"], submitted=100.0, event_at=130.0)
    return {"stream": (*EVENTS, *events), "final_orders": {**GOOD.final_orders, "a": order}}


def test_an_order_at_risk_in_time_passes(change_history: ChangeHistory) -> None:
    assert checks.risk_is_notified_in_time(change_history(**at_risk(115.0, 129.0))) == []
    assert checks.one_event_per_change(change_history(**at_risk(115.0))) == []


def test_an_event_of_the_feed_alone_need_not_be_delivered(change_history: ChangeHistory) -> None:
    unsent = StreamEvent("4-0", "evt_4", "order.attention", "a", sent=False)
    assert checks.every_last_event_is_delivered(change_history(stream=(*EVENTS, unsent))) == []


BAD: list[tuple[Check, dict[str, object]]] = [
    (checks.every_order_ended_as_scripted, {"final_orders": {"a": GOOD.final_orders["a"]}}),
    (checks.every_order_ended_as_scripted, {"final_orders": {**GOOD.final_orders, "b": FinalOrder("pending", 130.0)}}),
    (checks.every_order_ended_as_scripted, {"submitted": {"a": SubmittedOrder("a", ONE, "failed", accepted=1.0)}}),
    (checks.every_order_ended_as_scripted, {"submitted": {"a": SubmittedOrder("a", ONE, "fulfilled", accepted=None)}}),
    (checks.no_request_too_early, {"requests": with_request(request(5, ONE, 112.0, too_early_by=0.01))}),
    (checks.one_request_at_a_time, {"requests": with_request(request(5, ONE, 110.025, in_flight=1))}),
    (
        checks.no_request_after_the_deadline,
        {"requests": with_request(request(5, TWO, 131.0), request(6, TWO, 132.0))},
    ),
    (checks.only_known_orders_are_polled, {"requests": with_request(request(5, ("tiqets", "default", "3"), 1.0))}),
    (checks.only_known_orders_are_polled, {"requests": with_request(request(5, ONE, 1.0, auth="wrong"))}),
    (checks.one_alert_per_change, {"alerts": ALERTS[1:]}),
    (checks.one_alert_per_change, {"alerts": (*ALERTS, ALERTS[2])}),
    (checks.one_alert_per_change, {"alerts": (*ALERTS, replace(ALERTS[2], id="evt_7", was="ok"))}),
    (checks.one_event_per_change, {"stream": EVENTS[:2]}),
    (checks.one_event_per_change, {"stream": (*EVENTS, replace(EVENTS[2], cursor="4-0"))}),
    (checks.one_event_per_change, {"stream": (*EVENTS, StreamEvent("4-0", "evt_4", "order.fulfilled", "a"))}),
    (checks.one_event_per_change, {"stream": (EVENTS[2], EVENTS[1], EVENTS[0])}),
    (checks.one_event_per_change, {"stream": (*EVENTS, StreamEvent("4-0", "evt_4", "order.failed", "c"))}),
    (checks.no_event_lost, {"stream": EVENTS[:2]}),
    (checks.no_event_lost, {"followed": EVENTS[1:]}),
    (checks.no_event_lost, {"followed": (EVENTS[1], EVENTS[0], EVENTS[2])}),
    (checks.no_event_lost, {"followed": (*EVENTS, EVENTS[2])}),
    (checks.rate_never_exceeded, {"requests": with_request(request(5, ONE, 110.1))}),
    (checks.every_uncommitted_poll_is_explained, {"requests": with_request(request(5, ONE, 112.0))}),
    (
        checks.every_uncommitted_poll_is_explained,
        {"final_orders": {**GOOD.final_orders, "a": replace(GOOD.final_orders["a"], timeline=())}},
    ),
    (checks.every_callback_is_genuine, {"callbacks": (*CALLBACKS, replace(CALLBACKS[1], verified=False))}),
    (checks.every_callback_is_genuine, {"callbacks": (*CALLBACKS, message(140.0, "evt_9", "a"))}),
    (checks.every_callback_is_genuine, {"callbacks": (*CALLBACKS, message(140.0, "evt_3", "b"))}),
    (checks.every_callback_is_genuine, {"callbacks": (*CALLBACKS, message(140.0, "evt_3", "a", body_order_id="b"))}),
    (checks.every_callback_is_genuine, {"callbacks": (*CALLBACKS, message(140.0, "evt_3", "unknown"))}),
    (checks.callbacks_keep_the_order, {"callbacks": (*CALLBACKS, message(140.0, "evt_1", "a"))}),
    (checks.callbacks_keep_the_order, {"callbacks": (message(99.0, "evt_3", "a"), *CALLBACKS)}),
    (checks.every_last_event_is_delivered, {"callbacks": CALLBACKS[:3]}),
    (checks.every_last_event_is_delivered, {"callbacks": (CALLBACKS[0], *CALLBACKS[2:])}),
    (checks.every_backend_knows_its_orders, {"callbacks": (*CALLBACKS, message(140.0, "evt_3", "a", state=EXPIRED))}),
    (
        checks.every_backend_knows_its_orders,
        {"callbacks": (*CALLBACKS, message(140.0, "evt_3", "a", state=replace(FULFILLED, tickets=("two",))))},
    ),
    (checks.risk_is_notified_in_time, at_risk(114.0)),
    (checks.risk_is_notified_in_time, at_risk(131.0)),
    (checks.risk_is_notified_in_time, at_risk(116.0, 117.0, 118.0)),
    (checks.every_repeated_callback_is_explained, {"callbacks": (*CALLBACKS, message(136.0, "evt_2", "b"))}),
    (
        checks.every_webhook_gets_a_response,
        {"pushes": (*PUSHES, ProviderPush(ONE, 111.0, 1, 500, accepted=False))},
    ),
    (
        checks.every_webhook_gets_a_response,
        {"pushes": (*PUSHES, ProviderPush(ONE, 111.0, 1, None, accepted=False))},
    ),
    (
        checks.every_pdf_is_stored,
        {"final_orders": {**GOOD.final_orders, "a": replace(GOOD.final_orders["a"], missing_documents=1)}},
    ),
    (checks.broker_is_empty, {"messages": {"willcall.poll.tiqets": 1}}),
    (checks.indexes_are_empty, {"indexes": {"willcall:due:tiqets/default": 1}}),
    (checks.no_process_crashed, {"exits": (ProcessExit("worker 1", 100.0, 1),)}),
]


@pytest.mark.parametrize(("check", "changes"), BAD)
def test_a_bad_history_is_detected(check: Check, changes: dict[str, object], change_history: ChangeHistory) -> None:
    assert check(change_history(**changes)) != []


@pytest.mark.parametrize(
    ("kind", "explains"),
    [
        (FaultKind.WORKER_KILL, True),
        (FaultKind.REDIS_KILL, True),
        (FaultKind.REDIS_FREEZE, True),
        (FaultKind.REDIS_READONLY, True),
        (FaultKind.REDIS_FULL, True),
        (FaultKind.WORKER_FREEZE, False),
        (FaultKind.WORKER_TERM, False),
        (FaultKind.CLIENTS_KILL, False),
        (FaultKind.BEAT_KILL, False),
        (FaultKind.API_KILL, False),
        (FaultKind.API_TERM, False),
    ],
)
def test_only_a_kill_or_an_outage_explains_a_repeat(
    kind: FaultKind, change_history: ChangeHistory, *, explains: bool
) -> None:
    repeated = with_request(request(5, ONE, 112.0, finished=114.0))
    found = checks.every_uncommitted_poll_is_explained(change_history(requests=repeated, faults=(hit(kind, 113.0),)))
    assert (found == []) is explains


@pytest.mark.parametrize(("start", "explains"), [(117.9, True), (121.5, False)])
def test_log_lines_of_a_frozen_worker_may_be_truncated_until_it_resumes(
    start: float,
    explains: bool,  # noqa: FBT001
    change_history: ChangeHistory,
) -> None:
    repeated = with_request(request(5, ONE, 112.0, finished=114.0))
    frozen, killed = hit(FaultKind.WORKER_FREEZE, 114.5, 118.0), hit(FaultKind.REDIS_KILL, start)
    assert checks.every_uncommitted_poll_is_explained(change_history(requests=repeated, faults=(frozen,)))
    assert (
        checks.every_uncommitted_poll_is_explained(change_history(requests=repeated, faults=(frozen, killed))) == []
    ) is explains


@pytest.mark.parametrize("start", [111.9, 117.5])
def test_a_fault_outside_the_time_of_a_request_explains_nothing(start: float, change_history: ChangeHistory) -> None:
    repeated = with_request(request(5, ONE, 112.0, finished=114.0))
    assert checks.every_uncommitted_poll_is_explained(
        change_history(requests=repeated, faults=(hit(FaultKind.WORKER_KILL, start),))
    )


def test_a_final_status_pushed_during_a_poll_explains_that_it_was_never_committed(
    change_history: ChangeHistory,
) -> None:
    failed = replace(GOOD.final_orders["a"], status="failed", pushed=(112.005,))
    overtaken = with_request(request(5, ONE, 112.0))
    assert (
        checks.every_uncommitted_poll_is_explained(
            change_history(requests=overtaken, final_orders={**GOOD.final_orders, "a": failed})
        )
        == []
    )
    earlier = replace(failed, pushed=(108.5,))
    assert checks.every_uncommitted_poll_is_explained(
        change_history(requests=overtaken, final_orders={**GOOD.final_orders, "a": earlier})
    )
    continued = replace(failed, status="fulfilled")
    assert checks.every_uncommitted_poll_is_explained(
        change_history(requests=overtaken, final_orders={**GOOD.final_orders, "a": continued})
    )


def test_a_request_in_flight_when_its_worker_was_killed_is_explained(change_history: ChangeHistory) -> None:
    repeated = with_request(request(5, ONE, 112.0))
    assert (
        checks.every_uncommitted_poll_is_explained(
            change_history(requests=repeated, faults=(hit(FaultKind.WORKER_KILL, 111.95),))
        )
        == []
    )


def test_a_callback_may_be_repeated_if_its_worker_was_killed(change_history: ChangeHistory) -> None:
    again = (*CALLBACKS, message(181.0, "evt_2", "b"))
    killed = (hit(FaultKind.WORKER_KILL, 135.4),)
    assert checks.every_repeated_callback_is_explained(change_history(callbacks=again, faults=killed)) == []
    assert checks.callbacks_keep_the_order(change_history(callbacks=again)) == []


def test_an_api_may_be_unavailable_after_a_fault(change_history: ChangeHistory) -> None:
    unanswered = (*PUSHES, ProviderPush(ONE, 111.0, 1, None, accepted=False))
    for kind in (FaultKind.API_KILL, FaultKind.API_TERM):
        assert checks.every_webhook_gets_a_response(change_history(pushes=unanswered, faults=(hit(kind, 108.0),))) == []
    for other in (hit(FaultKind.WORKER_KILL, 108.0), hit(FaultKind.API_KILL, 90.0)):
        assert checks.every_webhook_gets_a_response(change_history(pushes=unanswered, faults=(other,)))


def throttled(*, settled: bool) -> Callable[[ChangeHistory, tuple[InjectedFault, ...]], History]:
    """Order b gets a 429 at 105.01; order a is polled a second later, which is too early."""

    def make(change_history: ChangeHistory, hits: tuple[InjectedFault, ...]) -> History:
        early = (
            request(1, ONE, 100.02),
            request(2, TWO, 105.01, status=429),
            request(5, ONE, 106.0, too_early_by=1.0, allowed_at=107.0),
        )
        timeline = GOOD.final_orders["b"].timeline[0 if settled else 1 :]
        ended = {**GOOD.final_orders, "b": replace(GOOD.final_orders["b"], timeline=timeline)}
        return change_history(requests=early, final_orders=ended, faults=hits)

    return make


@pytest.mark.parametrize(("claimed", "blamed"), [(104.9, False), (104.7, True), (105.15, True)])
def test_a_429_binds_no_request_that_was_claimed_just_before(
    change_history: ChangeHistory, *, claimed: float, blamed: bool
) -> None:
    early = (
        request(1, ONE, 100.02),
        request(2, TWO, 105.01, status=429),
        request(5, ONE, 105.3, too_early_by=1.7, allowed_at=107.0),
    )
    first, *_ = GOOD.final_orders["a"].timeline
    ended = {
        **GOOD.final_orders,
        "a": replace(GOOD.final_orders["a"], timeline=(first, replace(first, claimed=claimed))),
    }
    assert bool(checks.no_request_too_early(change_history(requests=early, final_orders=ended))) is blamed


def test_a_429_whose_worker_was_killed_binds_nobody(change_history: ChangeHistory) -> None:
    lost = throttled(settled=False)
    assert checks.no_request_too_early(lost(change_history, ())) != []
    assert checks.no_request_too_early(lost(change_history, (hit(FaultKind.WORKER_KILL, 105.02),))) == []


def test_a_429_of_a_frozen_worker_does_not_count_until_it_resumes(change_history: ChangeHistory) -> None:
    found = throttled(settled=True)
    assert checks.no_request_too_early(found(change_history, ())) != []
    assert checks.no_request_too_early(found(change_history, (hit(FaultKind.WORKER_FREEZE, 105.0, 108.0),))) == []
    assert checks.no_request_too_early(found(change_history, (hit(FaultKind.WORKER_FREEZE, 103.0, 104.9),))) != []


@pytest.mark.parametrize(
    ("outages", "blamed"),
    [
        ([(103.0, 104.5)], True),
        ([(103.0, 105.005)], False),
        ([(105.015, 105.1)], False),
        ([(104.9, 104.95)], True),
        ([(105.4, 105.9)], True),
        ([(104.0, 104.9), (105.5, 105.7)], False),
    ],
)
@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("kind", sorted(OUTAGES))
def test_a_429_binds_other_workers_once_redis_is_reachable(
    change_history: ChangeHistory,
    kind: FaultKind,
    settled: bool,  # noqa: FBT001
    outages: list[tuple[float, float]],
    blamed: bool,  # noqa: FBT001
) -> None:
    found = throttled(settled=settled)(change_history, tuple(hit(kind, *outage) for outage in outages))
    assert bool(checks.no_request_too_early(found)) is blamed


def test_a_429_to_an_order_that_a_push_ended_meanwhile_binds_all_the_same(change_history: ChangeHistory) -> None:
    history = throttled(settled=False)(change_history, ())
    ended = {**history.final_orders, "b": replace(history.final_orders["b"], status="failed", pushed=(105.015,))}
    assert checks.no_request_too_early(replace(history, final_orders=ended)) != []


def test_a_request_of_a_worker_that_was_frozen_counts_when_it_was_claimed(change_history: ChangeHistory) -> None:
    requests = (request(1, ONE, 100.02), request(2, TWO, 105.01), request(3, ONE, 110.02), request(4, TWO, 114.3))
    ended = {
        "a": GOOD.final_orders["a"],
        "b": FinalOrder("expired", 130.0, (CommittedAttempt(105.0, "not_ready"), CommittedAttempt(111.4, "not_ready"))),
    }
    more = (*requests, request(5, ONE, 114.4))
    timeline = (*GOOD.final_orders["a"].timeline, CommittedAttempt(114.39, "issued"))
    ended["a"] = replace(ended["a"], timeline=timeline)
    frozen = (hit(FaultKind.WORKER_FREEZE, 111.5, 114.2),)
    assert checks.rate_never_exceeded(change_history(requests=more, final_orders=ended)) != []
    assert checks.rate_never_exceeded(change_history(requests=more, final_orders=ended, faults=frozen)) == []


def test_late_updates_are_allowed_transitions(change_history: ChangeHistory) -> None:
    cancelled = (*EVENTS, StreamEvent("4-0", "evt_4", "order.cancelled", "a"))
    ended = {**GOOD.final_orders, "a": replace(GOOD.final_orders["a"], status="cancelled")}
    assert checks.one_event_per_change(change_history(stream=cancelled, final_orders=ended)) == []


def test_an_attempts_request_is_the_first_after_its_claim() -> None:
    requests = [request(number, ONE, arrived) for number, arrived in enumerate([1.0, 2.1, 2.9, 5.0, 6.0])]
    attempts = [
        CommittedAttempt(2.0, "not_ready"),
        CommittedAttempt(4.9995, "not_ready"),
        CommittedAttempt(7.0, "unavailable"),
    ]
    assert [(found.arrived, attempt and attempt.claimed) for found, attempt in match_attempts(requests, attempts)] == [
        (1.0, None),
        (2.1, 2.0),
        (2.9, None),
        (5.0, 4.9995),
        (6.0, None),
    ]


def test_the_report_explains_each_repeat_and_recovery(change_history: ChangeHistory) -> None:
    requests = with_request(request(5, ONE, 112.0), request(6, ONE, 120.0))
    hits = (hit(FaultKind.WORKER_KILL, 112.5), hit(FaultKind.REDIS_KILL, 131.0, 132.0), hit(FaultKind.API_KILL, 108.0))
    counted = figures(change_history(requests=requests, faults=hits))
    assert counted.surplus == {"worker killed": 1, "unexplained": 1}
    assert counted.recovery == (17.5, None, 2.0)
    assert (counted.pushes, counted.callbacks) == ((2, 1, 1), (4, 1, 3))
    assert (counted.attempts, counted.requests) == (4, 6)
