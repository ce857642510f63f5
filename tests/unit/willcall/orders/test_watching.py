"""When a fulfilled order is looked at again."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from willcall.orders.model import CLOSED, EndedBy, Order, Status
from willcall.orders.watching import EVERY, EVERY_ON_THE_LAST_DAY, WITHOUT_EVENT, next_watch_at

DAY = 86_400.0


def at(day: int, hour: int) -> float:
    """A moment of a week in which the 2nd is a Wednesday and the 5th a Saturday."""
    return datetime(2026, 12, day, hour, tzinfo=UTC).timestamp()


def fulfilled(ended: float, event_at: float | None) -> Order:
    return Order(
        "o", "tiqets", "default", "r", Status.FULFILLED, ended - 60, ended + DAY, event_at=event_at, finished_at=ended
    )


def watched(order: Order) -> list[float]:
    """When it is polled, if every look is in time."""
    moments = []
    while (moment := next_watch_at(order, order.last_poll_at or order.submitted_at)) is not None:
        moments.append(moment)
        order = replace(order, last_poll_at=moment)
    return moments


def test_the_example_of_the_module_is_true() -> None:
    moments = watched(fulfilled(at(2, 10), at(5, 20)))
    assert moments[:3] == [at(2, 16), at(2, 22), at(3, 4)]
    assert [moment for moment in moments if moment <= at(4, 20)][-2:] == [at(4, 16), at(4, 20)]
    assert moments[-24:] == [at(4, 20) + hour * 3_600 for hour in range(24)]
    assert moments[-1] == at(5, 19)


@given(st.floats(0, 60 * DAY), st.floats(0, 50 * DAY))
def test_no_look_is_at_the_event_or_later_and_none_too_soon(ahead: float, ended: float) -> None:
    moments = watched(fulfilled(ended, ended + ahead))
    gaps = [after - before for before, after in zip([ended, *moments], moments, strict=False)]
    assert all(moment < ended + ahead for moment in moments)
    assert all(EVERY_ON_THE_LAST_DAY - 0.001 <= gap <= EVERY + 0.001 for gap in gaps)
    assert ended + ahead - [ended, *moments][-1] <= EVERY_ON_THE_LAST_DAY + 0.001


@pytest.mark.parametrize("status", sorted(CLOSED))
def test_an_order_that_never_changes_any_more_is_not_watched(status: Status) -> None:
    assert next_watch_at(replace(fulfilled(at(2, 10), at(5, 20)), status=status), at(2, 11)) is None


@pytest.mark.parametrize("by", [EndedBy.CALLER, EndedBy.OPERATOR])
def test_an_order_that_was_completed_by_hand_is_not_watched(by: EndedBy) -> None:
    assert next_watch_at(replace(fulfilled(at(2, 10), at(5, 20)), ended_by=by), at(2, 11)) is None


def test_an_order_without_an_event_is_watched_every_six_hours_for_a_week() -> None:
    moments = watched(fulfilled(at(2, 10), None))
    assert [after - before for before, after in pairwise([at(2, 10), *moments])] == [EVERY] * 27
    assert moments[-1] < at(9, 10) == at(2, 10) + WITHOUT_EVENT


def test_an_open_order_without_an_event_is_not_watched() -> None:
    open_order = replace(fulfilled(at(2, 10), None), status=Status.PENDING, finished_at=None)
    assert next_watch_at(open_order, at(2, 11)) is None


def test_an_order_whose_event_has_begun_is_not_watched() -> None:
    assert next_watch_at(fulfilled(at(2, 10), at(2, 20)), at(2, 20)) is None
    assert next_watch_at(fulfilled(at(2, 10), at(5, 20)), at(4, 12)) == at(2, 16), "overdue, but before its event"
