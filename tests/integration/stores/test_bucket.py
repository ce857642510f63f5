"""The token bucket on virtual time: the Lua functions run in a real Redis, with the clock as an argument."""

import heapq
from collections.abc import Container
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import pytest

from willcall.orders.policy import Rate
from willcall.stores.rates import rate_arguments
from willcall.stores.scripts import LuaScript, source

if TYPE_CHECKING:
    from redis import Redis

TAKE = (
    source("willcall.stores", "bucket")
    + """
local args = cjson.decode(ARGV[1])
local bucket = bucket_load(KEYS[1], {ordinary = KEYS[2], express = KEYS[3], late = KEYS[4]}, args.booking)
local request = {slot = args.slot, lane = args.lane, express = args.express}
local taken = bucket_take(bucket, bucket_rate(args.rate), args.now, request, math.huge)
local slot = taken.slot and string.format('%.3f', taken.slot - bucket.shift) or ''
return {taken.at and string.format('%.3f', taken.at) or '', taken.slot and string.format('%.3f', taken.slot) or '',
  slot, taken.lane or '', taken.early}
"""
)
BLOCK = (
    source("willcall.stores", "bucket")
    + "local args = cjson.decode(ARGV[1]) bucket_block(bucket_load(KEYS[1]), args.now, args.till)"
)
KEYS = ["bucket", "ordinary", "express", "late"]
START = 1_800_000_000_000


@dataclass(frozen=True)
class Answer:
    """When a request may be sent or its slot (ms), its booking, and how early it may return."""

    at: float | None
    slot: float | None
    kept: tuple[str, str]
    early: float


class Callers:
    """Many callers at one bucket: when each was let through, and how often it had to come."""

    def __init__(self, redis: "Redis", rate: Rate, pushed: Container[int] = ()) -> None:
        self.take_script = LuaScript(redis, TAKE)
        self.block_script = LuaScript(redis, BLOCK)
        self.rate = rate_arguments(rate)
        self.pushed = pushed
        self.sent: list[float] = []
        self.wakes: dict[int, int] = {}

    def take(self, now: float, caller: int, kept: tuple[str, str] = ("", ""), *, express: bool = False) -> Answer:
        slot, lane = kept
        at, slot, *kept_as, early = self.take_script(
            keys=KEYS,
            args={
                "now": now,
                "booking": f"order:{caller}",
                "slot": float(slot) if slot else None,
                "lane": lane or None,
                "express": express,
                "rate": self.rate,
            },
        )
        return Answer(float(at) if at else None, float(slot) if slot else None, (kept_as[0], kept_as[1]), early)

    def block(self, now: float, till: float) -> None:
        self.block_script(keys=KEYS[:1], args={"now": now, "till": till})

    def run(
        self,
        arrivals: list[float],
        lateness: Random | None = None,
        latest: float = 0.0,
        later: tuple[float, Rate] | None = None,
    ) -> None:
        """Let all callers through. Each comes up to `latest` ms late. `later`: another rate from a moment on."""
        queue = [(at, caller, ("", "")) for caller, at in enumerate(arrivals)]
        heapq.heapify(queue)
        while queue:
            now, caller, kept = heapq.heappop(queue)
            self.wakes[caller] = self.wakes.get(caller, 0) + 1
            if later and now >= later[0]:
                self.rate = rate_arguments(later[1])
            answer = self.take(now, caller, kept, express=caller in self.pushed)
            if answer.at is not None:
                self.sent.append(answer.at)
                continue
            late = lateness.uniform(0, latest) if lateness else 0.0
            back = max(now, (answer.slot or 0.0) - answer.early)
            heapq.heappush(queue, (back + late, caller, answer.kept))


def most_over(sent: list[float], rate: Rate) -> float:
    """Return by how many requests the provider's own bucket would be overdrawn."""
    interval = rate.period / rate.limit * 1_000
    level, last, worst = float(rate.burst), sent[0], 0.0
    for at in sorted(sent):
        level = min(rate.burst, level + (at - last) / interval) - 1
        last, worst = at, min(worst, level)
    return -worst


RATES = [Rate(50, 1, 10), Rate(10, 1, 10), Rate(1, 10, 1), Rate(300, 60, 10), Rate(5, 1, 2)]


@pytest.mark.parametrize("rate", RATES)
def test_a_crowd_is_polled_at_the_rate_with_two_wake_ups_each_at_most(redis: "Redis", rate: Rate) -> None:
    callers = Callers(redis, rate)
    callers.run([START] * 300)
    assert len(callers.sent) == 300
    assert most_over(callers.sent, rate) <= 1e-6
    assert max(callers.wakes.values()) <= 2


def test_the_last_of_500_is_sent_within_five_percent_of_the_ideal_time(redis: "Redis") -> None:
    rate = Rate(50, 1, 10)
    callers = Callers(redis, rate)
    callers.run([START] * 500, Random(1), latest=80)
    ideal = (500 - rate.burst) / rate.limit * 1_000
    assert max(callers.sent) - START <= ideal * 1.05
    assert max(callers.wakes.values()) <= 2


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("latest", [50, 500, 20_000])
def test_late_callers_never_add_up_to_more_than_the_burst(redis: "Redis", rate: Rate, latest: float) -> None:
    random = Random(7)
    callers = Callers(redis, rate)
    callers.run([START + random.uniform(0, 5_000) for _ in range(200)], random, latest)
    assert len(callers.sent) == 200
    assert most_over(callers.sent, rate) <= 1e-6


@pytest.mark.parametrize(("rate", "later"), [(RATES[0], RATES[4]), (RATES[4], RATES[0]), (RATES[1], Rate(2, 1, 1))])
def test_a_new_rate_holds_from_the_moment_it_is_known(redis: "Redis", rate: Rate, later: Rate) -> None:
    changed = START + 2_000
    callers = Callers(redis, rate)
    callers.run([START] * 200, Random(3), latest=50, later=(changed, later))
    before, after = [at for at in callers.sent if at < changed], [at for at in callers.sent if at >= changed]
    assert len(before) + len(after) == 200
    assert most_over(before, rate) <= 1e-6
    assert most_over(after, later) <= 1e-6


def test_a_throttle_moves_every_booked_slot_and_keeps_their_order(redis: "Redis") -> None:
    callers = Callers(redis, Rate(10, 1, 1))
    booked = [callers.take(START, caller) for caller in range(20)]
    till = START + 60_000
    callers.block(START, till)
    moved = [
        callers.take(START + 1, caller, answer.kept).slot or 0.0
        for caller, answer in enumerate(booked)
        if answer.at is None
    ]
    assert len(moved) >= 18
    assert all(slot >= till for slot in moved)
    assert moved == sorted(moved)
    assert len(set(moved)) == len(moved)


def test_a_pushed_order_does_not_queue_behind_a_crowd(redis: "Redis") -> None:
    callers = Callers(redis, Rate(10, 1, 10))
    for caller in range(1_000):
        callers.take(START, caller)
    assert (callers.take(START, 1_000).slot or 0.0) - START > 90_000
    pushed = callers.take(START, 1_001, express=True)
    assert (pushed.at or pushed.slot or 0.0) - START < 1_000


def test_pushed_orders_and_a_crowd_together_stay_within_the_rate(redis: "Redis") -> None:
    rate = Rate(50, 1, 10)
    callers = Callers(redis, rate, pushed=range(0, 400, 8))
    callers.run([START] * 400, Random(3), latest=20)
    assert len(callers.sent) == 400
    assert most_over(callers.sent, rate) <= 1e-6
    assert max(callers.sent) - START <= 400 / rate.limit * 1_000 * 1.05


def test_a_bucket_is_forgotten_a_day_after_its_last_slot(redis: "Redis") -> None:
    callers = Callers(redis, Rate(10, 1, 10))
    callers.run([START])
    assert 86_000_000 < redis.pttl("bucket") <= 86_500_000
    for caller in range(1, 100):
        callers.take(START, caller)
    assert 86_000_000 < redis.pttl("ordinary") <= 86_500_000
