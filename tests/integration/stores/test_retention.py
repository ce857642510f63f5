"""When final orders are removed: after their own account's retention, counted from their end or their later event."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.stores.conftest import StoreHarness
from willcall.orders.model import Status
from willcall.stores import keys

#: Seconds.
DAY = 86_400.0
Case = tuple[float, float | None, str]

cases = st.tuples(
    st.integers(0, 50).map(lambda days: -days * DAY),
    st.none() | st.integers(-60, 60).map(lambda days: days * DAY),
    st.sampled_from(["default", "short", "long"]),
)


def prune(harness: StoreHarness, now: float, general: float, own: dict[str, float], size: int) -> int:
    """Remove what is to be removed, as the sweep does. Returns how many orders were removed."""
    offset = removed = 0
    while True:
        before = {account: now - retention for account, retention in own.items()}
        seen, gone, pruned = harness.stores.orders.prune(now - general, size, own=before, offset=offset)
        removed += pruned
        offset += seen - gone
        if seen < size:
            return removed


def end(harness: StoreHarness, order_id: str, case: Case, now: float) -> None:
    ended, event, account = case
    harness.submit(order_id, account=account, event_at=None if event is None else now + event)
    harness.commit(harness.order(order_id), "", status=Status.FULFILLED, finished_at=now + ended)


#: No retention ends on the millisecond.
retentions = st.integers(0, 40).map(lambda days: (days + 0.6) * DAY)


@given(st.lists(cases, max_size=9), retentions, retentions, st.integers(1, 10), st.booleans())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_order_is_removed_after_its_own_retention_and_no_other(  # noqa: PLR0917 - what Hypothesis draws
    harness: StoreHarness,
    orders: list[Case],
    general: float,
    short: float,
    size: int,
    of_0_2_0: bool,  # noqa: FBT001
) -> None:
    harness.redis.flushdb()
    now = harness.now()
    own = {"tiqets/short": short, "tiqets/long": short + 3 * DAY}
    for number, case in enumerate(orders):
        end(harness, str(number), case, now)
        if of_0_2_0:  # it knows no events
            harness.redis.zadd(keys.FINAL, {str(number): int((now + case[0]) * 1_000)})
    kept = {
        str(number)
        for number, (ended, event, account) in enumerate(orders)
        if max(ended, ended if event is None else event) >= -own.get(f"tiqets/{account}", general)
    }
    assert prune(harness, now, general, own, size) == len(orders) - len(kept)
    assert {str(number) for number in range(len(orders)) if harness.stores.orders.get(str(number))} == kept


def test_a_release_that_knows_no_events_keeps_orders_until_theirs(harness: StoreHarness) -> None:
    now = harness.now()
    end(harness, "spring", (-60.0, 90 * DAY, "default"), now)
    assert harness.redis.zscore(keys.FINAL, "spring") == pytest.approx((now + 90 * DAY) * 1_000, abs=1)


def test_an_account_that_leaves_the_configuration_has_the_general_retention(harness: StoreHarness) -> None:
    now = harness.now()
    for name, account in (("of-short", "short"), ("of-default", "default")):
        end(harness, name, (-10 * DAY, None, account), now)
    assert prune(harness, now, 30 * DAY, {}, 10) == 0
    assert prune(harness, now, 30 * DAY, {"tiqets/short": 20 * DAY}, 10) == 0
    assert prune(harness, now, 30 * DAY, {"tiqets/short": 5 * DAY}, 10) == 1
    assert harness.stores.orders.get("of-short") is None
    assert prune(harness, now, 5 * DAY, {"tiqets/default": 60 * DAY}, 10) == 0
