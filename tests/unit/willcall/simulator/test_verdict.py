from typing import Any

from willcall.simulator.ledger import LedgerEntry
from willcall.simulator.script import OrderScript
from willcall.simulator.verdict import judge


def entry(**fields: Any) -> LedgerEntry:
    usual: dict[str, Any] = {
        "number": 1,
        "arrived": 0.0,
        "provider": "tiqets",
        "kind": "status",
        "reference": "1",
        "account": "default",
        "auth": "ok",
    }
    return LedgerEntry(**usual | fields)


def test_a_clean_ledger_is_ok() -> None:
    verdict = judge([entry(status=200), entry(status=429), entry(kind="list")], [])
    tally = verdict["providers"]["tiqets"]
    assert verdict["ok"]
    assert verdict["faults"] == []
    assert (tally["requests"], tally["status_requests"], tally["throttled"]) == (3, 2, 1)


def test_each_kind_of_violation_is_a_sentence() -> None:
    verdict = judge(
        [
            entry(too_early_by=0.5),
            entry(too_early_by=2.5),
            entry(overshoot=1.25),
            entry(in_flight=1),
            entry(auth="wrong", provider="tixstock"),
        ],
        [],
    )
    assert not verdict["ok"]
    assert verdict["faults"] == [
        "tiqets: 2 requests earlier than allowed, the worst by 2.500 s",
        "tiqets: 1 request over the rate, the worst window by 1.25",
        "tiqets: 1 request during another for the same order",
        "tixstock: 1 request with credentials that were never valid",
    ]


def test_revoked_credentials_late_requests_and_rounding_are_no_violation() -> None:
    verdict = judge([entry(auth="unauthorized"), entry(after_final=True), entry(overshoot=1e-9)], [])
    tally = verdict["providers"]["tiqets"]
    assert verdict["ok"]
    assert (tally["unauthorized"], tally["after_final"], tally["over_rate"]) == (1, 1, 0.0)


def test_orders_whose_final_status_was_never_reported_are_named() -> None:
    def order(reference: str, **fields: Any) -> OrderScript:
        return OrderScript.model_validate({"provider": "tiqets", "reference": reference} | fields)

    orders = [
        (order("reported"), {"pending", "issued"}),
        (order("waiting", ready_after=5), {"pending"}),
        (order("late", cancel_after=5), {"issued"}),
        (order("never", ends="never"), {"pending"}),
        (order("garbled", answers=[{"do": "malformed", "times": None}]), set()),
    ]
    tally = judge([], orders)["providers"]["tiqets"]
    assert tally["orders"] == 5
    assert tally["unreported"] == ["waiting", "late"]
