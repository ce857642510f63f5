from typing import Any

import pytest

from willcall.simulator.phases import Phase, last_phase, overall, phase_at, tickets_at
from willcall.simulator.script import OrderScript


def order(**fields: Any) -> OrderScript:
    return OrderScript.model_validate({"provider": "paylogic", "reference": "1", "quantity": 4} | fields)


@pytest.mark.parametrize(
    ("fields", "age", "phase"),
    [
        ({}, 0, Phase.ISSUED),
        ({"ready_after": 5}, 4.9, Phase.PENDING),
        ({"ready_after": 5}, 5, Phase.ISSUED),
        ({"ready_after": 5, "partial_after": 2}, 2, Phase.PARTIAL),
        ({"ready_after": 5, "ends": "cancelled"}, 5, Phase.CANCELLED),
        ({"provider": "tiqets", "ready_after": 5, "ends": "failed"}, 5, Phase.FAILED),
        ({"ends": "never"}, 1e9, Phase.PENDING),
        ({"ready_after": 1, "cancel_after": 3}, 3.9, Phase.ISSUED),
        ({"ready_after": 1, "cancel_after": 3}, 4, Phase.CANCELLED),
        ({"ready_after": 1, "fulfillment_starts_after": 6}, 5.9, Phase.PENDING),
        ({"needs_personalization_until": 6}, 6, Phase.ISSUED),
    ],
)
def test_the_phase_follows_from_the_age(fields: dict[str, Any], age: float, phase: Phase) -> None:
    assert phase_at(order(**fields), age) is phase


def test_half_of_the_tickets_and_at_least_one_come_first() -> None:
    assert [tickets_at(order(quantity=n), Phase.PARTIAL) for n in (1, 2, 5)] == [1, 1, 2]


def test_the_last_phase_counts_a_late_cancellation() -> None:
    assert last_phase(order(cancel_after=9)) is Phase.CANCELLED
    assert last_phase(order(ends="never")) is None


@pytest.mark.parametrize(
    ("phases", "phase"),
    [
        ([Phase.ISSUED, Phase.ISSUED], Phase.ISSUED),
        ([Phase.PENDING, Phase.ISSUED], Phase.PARTIAL),
        ([Phase.PENDING, Phase.FAILED], Phase.PENDING),
        ([Phase.ISSUED, Phase.CANCELLED], Phase.ISSUED),
        ([Phase.FAILED, Phase.CANCELLED], Phase.FAILED),
    ],
)
def test_a_group_stands_where_its_orders_stand(phases: list[Phase], phase: Phase) -> None:
    assert overall(phases) is phase
