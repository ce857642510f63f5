from typing import Any

import pytest

from willcall.simulator.order_status import SimulatedStatus, combined_status, final_status, issued_tickets, status_at
from willcall.simulator.script import OrderScript


def order(**fields: Any) -> OrderScript:
    return OrderScript.model_validate({"provider": "paylogic", "reference": "1", "quantity": 4} | fields)


@pytest.mark.parametrize(
    ("fields", "age", "status"),
    [
        ({}, 0, SimulatedStatus.ISSUED),
        ({"ready_after": 5}, 4.9, SimulatedStatus.PENDING),
        ({"ready_after": 5}, 5, SimulatedStatus.ISSUED),
        ({"ready_after": 5, "partial_after": 2}, 2, SimulatedStatus.PARTIAL),
        ({"ready_after": 5, "ends": "cancelled"}, 5, SimulatedStatus.CANCELLED),
        ({"provider": "tiqets", "ready_after": 5, "ends": "failed"}, 5, SimulatedStatus.FAILED),
        ({"ends": "never"}, 1e9, SimulatedStatus.PENDING),
        ({"ready_after": 1, "cancel_after": 3}, 3.9, SimulatedStatus.ISSUED),
        ({"ready_after": 1, "cancel_after": 3}, 4, SimulatedStatus.CANCELLED),
        ({"ready_after": 1, "fulfillment_starts_after": 6}, 5.9, SimulatedStatus.PENDING),
        ({"needs_personalization_until": 6}, 6, SimulatedStatus.ISSUED),
    ],
)
def test_the_status_follows_from_the_age(fields: dict[str, Any], age: float, status: SimulatedStatus) -> None:
    assert status_at(order(**fields), age) is status


def test_half_of_the_tickets_and_at_least_one_come_first() -> None:
    assert [issued_tickets(order(quantity=n), SimulatedStatus.PARTIAL) for n in (1, 2, 5)] == [1, 1, 2]


def test_the_final_status_counts_a_late_cancellation() -> None:
    assert final_status(order(cancel_after=9)) is SimulatedStatus.CANCELLED
    assert final_status(order(ends="never")) is None


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([SimulatedStatus.ISSUED, SimulatedStatus.ISSUED], SimulatedStatus.ISSUED),
        ([SimulatedStatus.PENDING, SimulatedStatus.ISSUED], SimulatedStatus.PARTIAL),
        ([SimulatedStatus.PENDING, SimulatedStatus.FAILED], SimulatedStatus.PENDING),
        ([SimulatedStatus.ISSUED, SimulatedStatus.CANCELLED], SimulatedStatus.ISSUED),
        ([SimulatedStatus.FAILED, SimulatedStatus.CANCELLED], SimulatedStatus.FAILED),
    ],
)
def test_orders_in_one_list_have_a_combined_status(statuses: list[SimulatedStatus], status: SimulatedStatus) -> None:
    assert combined_status(statuses) is status
