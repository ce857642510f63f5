"""Counters of the current minute and hour by Redis's clock."""

from collections import Counter

from tests.integration.stores.conftest import ACCOUNT, StoreHarness
from willcall.orders.model import Status
from willcall.stores import keys

MEASURES = ("outcome:not_ready", "late:0.05")


def test_a_commit_counts_its_statistics_in_its_minute_and_hour(harness: StoreHarness) -> None:
    harness.submit()
    for seq in (1, 2):
        harness.commit(harness.go(seq), due_at=harness.now() - 1, measures=MEASURES)
    expected = {ACCOUNT: {"outcome:not_ready": 2, "late:0.05": 2}}
    assert harness.stores.stats.last_minutes(2) == expected
    (_, before), (_, now) = harness.stores.stats.last_hours(2)
    both = Counter(before.get(ACCOUNT, {})) + Counter(now.get(ACCOUNT, {}))  # an hour may have begun between the two
    assert both == expected[ACCOUNT]


def test_a_repeated_or_fenced_off_commit_counts_nothing(harness: StoreHarness) -> None:
    harness.submit()
    order, later = harness.go(), harness.now() + 60
    for _ in range(3):
        assert harness.commit(order, due_at=later, measures=MEASURES)
    assert harness.commit(order, "another", due_at=later, measures=MEASURES) is None
    assert harness.stores.stats.last_minutes(2)[ACCOUNT] == {"outcome:not_ready": 1, "late:0.05": 1}


def test_minutes_are_added_up_and_hours_are_separate(harness: StoreHarness) -> None:
    minute, hour = int(harness.now()) // 60, int(harness.now()) // 3_600
    for ago, count in {0: 1, 1: 10, 2: 100, 9: 1_000}.items():
        harness.redis.hset(keys.stats_minute(minute - ago), f"{ACCOUNT}|ended:failed", count)
        harness.redis.hset(keys.stats_hour(hour - ago), f"{ACCOUNT}|ended:failed", count)
    assert harness.stores.stats.last_minutes(5) == {ACCOUNT: {"ended:failed": 111}}
    hours = harness.stores.stats.last_hours(5)
    assert [counts[ACCOUNT]["ended:failed"] for _, counts in hours if counts] == [100, 10, 1]
    assert {start % 3_600 for start, _ in hours} == {0.0}
    assert [start for start, _ in hours] == sorted(start for start, _ in hours)


def test_the_name_of_an_account_may_contain_a_vertical_bar(harness: StoreHarness) -> None:
    harness.redis.hset(keys.stats_minute(int(harness.now()) // 60), "tiqets/a|b|ended:failed", 1)
    assert harness.stores.stats.last_minutes(2) == {"tiqets/a|b": {"ended:failed": 1}}


def test_counters_expire_after_the_longest_window(harness: StoreHarness) -> None:
    harness.submit()
    harness.commit(harness.go(), status=Status.FAILED, finished_at=harness.now(), measures=("ended:failed",))
    lives = {key: harness.redis.ttl(key) for key in harness.redis.scan_iter(keys.PREFIX + "stats:*")}
    minutes = [life for key, life in lives.items() if "minute" in key]
    hours = [life for key, life in lives.items() if "hour" in key]
    assert 3_000 < minutes[0] <= 3_600
    assert 49 * 3_600 < hours[0] <= 50 * 3_600
