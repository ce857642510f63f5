"""Which order probes a stopped account, and that one always does."""

from random import Random
from typing import Any

import pytest

from tests.integration.stores.conftest import ACCOUNT, RATE, StoreHarness
from tests.waiting import STALL
from willcall.orders.decision import AccountSignal
from willcall.orders.model import Attention, Status
from willcall.stores import keys
from willcall.stores.accounts import OUTAGES, REFUSALS, AccountReport
from willcall.stores.messages import PollMessage
from willcall.stores.polls import PollVerdict

PROBE = (3_000.0, 10_000.0)


def report(
    harness: StoreHarness,
    signal: AccountSignal,
    order_id: str = "x",
    *,
    probe: bool = False,
    until: float | None = None,
) -> None:
    found = AccountReport(signal, order_id, probe, until, "403")
    harness.stores.accounts.report_health(ACCOUNT, ACCOUNT, found, PROBE, harness.account_alert())


def park(harness: StoreHarness) -> None:
    """Report three refused orders that do not exist."""
    for n in range(REFUSALS):
        report(harness, AccountSignal.FORBIDDEN, f"refused-{n}")


def hold(harness: StoreHarness, *names: str, **fields: Any) -> None:
    """Hold orders of the account, as when it is stopped."""
    for name in names:
        harness.submit(name)
        assert harness.claim(order_id=name).verdict is PollVerdict.HELD
        for field, value in fields.items():
            harness.redis.hset(keys.order(name), field, value)


def let_probe_be_due(harness: StoreHarness) -> None:
    harness.redis.hset(keys.account(ACCOUNT), "probe_at", 0)


def choose(harness: StoreHarness, minimum: float = 0.0) -> PollMessage | None:
    """Return the probe that is sent when one is due."""
    let_probe_be_due(harness)
    return harness.stores.schedule.release_probe(ACCOUNT, ACCOUNT, minimum).message


def probe(harness: StoreHarness) -> str | None:
    """Run a probe up to its request. Returns the order that was polled."""
    message = choose(harness)
    if message is None:
        return None
    claim = harness.claim(message.seq, message.order_id)
    assert (claim.verdict, claim.probe) == (PollVerdict.GO, True)
    return message.order_id


def refuse(harness: StoreHarness, order_id: str, due_in: float = 400.0) -> None:
    """Answer a probe with 403."""
    order = harness.order(order_id)
    report(harness, AccountSignal.FORBIDDEN, order_id, probe=True)
    harness.commit(order, due_at=harness.now() + due_in, forbidden_polls=1, attention=Attention.UNAUTHORIZED)


def announced(harness: StoreHarness) -> float:
    at = harness.stores.accounts.state(ACCOUNT, RATE).probe_at
    assert at is not None
    return at - harness.now()


@pytest.mark.parametrize("good", [0, 3, 9])
def test_a_good_order_among_ten_misfiled_ones_is_probed_second_at_the_latest(harness: StoreHarness, good: int) -> None:
    names = [f"misfiled-{n}" for n in range(9)]
    names.insert(good, "good")
    park(harness)
    hold(harness, *names)
    if good == 3:  # in the middle its position is unknown, unless it was answered before
        harness.redis.hset(keys.order("good"), "answered", 1)
    asked = []
    for _ in range(2):
        asked.append(probe(harness))
        if asked[-1] == "good":
            break
        refuse(harness, asked[-1] or "")
    assert asked[-1] == "good"


def test_a_rejected_order_is_not_polled_while_another_waits(harness: StoreHarness) -> None:
    park(harness)
    hold(harness, "a", "b", "c", forbidden_polls=2)
    hold(harness, "good")
    hold(harness, "d", "e", attention="malformed")
    assert probe(harness) == "good"


def test_a_rejected_order_that_is_due_leaves_the_probe_to_others(harness: StoreHarness) -> None:
    park(harness)
    harness.submit("refused")
    harness.redis.hset(keys.order("refused"), "refusals", 1)
    hold(harness, "good")
    let_probe_be_due(harness)
    assert harness.claim(order_id="refused").verdict is PollVerdict.HELD
    assert probe(harness) == "good"


def test_a_rejected_order_is_probed_again_if_it_is_the_last_one(harness: StoreHarness) -> None:
    park(harness)
    hold(harness, "only")
    for _ in range(4):
        assert probe(harness) == "only"
        refuse(harness, "only")
        assert 0 < announced(harness) <= PROBE[1]
        assert harness.stores.schedule.release_probe(ACCOUNT, ACCOUNT, 0).message is None


def test_an_order_that_waits_for_its_next_poll_can_be_the_probe(harness: StoreHarness) -> None:
    for name in ("refused", "answered"):
        harness.submit(name)
    harness.commit(harness.go(order_id="refused"), due_at=harness.now() + 5_000, forbidden_polls=1)
    harness.commit(harness.go(order_id="answered"), due_at=harness.now() + 9_000, answered_polls=3)
    park(harness)
    assert probe(harness) == "answered"


def test_hints_and_the_minimum_apply_to_probes(harness: StoreHarness) -> None:
    park(harness)
    hold(harness, "hinted", hint=int((harness.now() + 700) * 1_000))
    hold(harness, "early", not_before=int((harness.now() + 500) * 1_000))
    hold(harness, "asked", last_poll=int(harness.now() * 1_000))
    assert choose(harness, minimum=600) is None
    assert announced(harness) == pytest.approx(500, abs=STALL)
    hold(harness, "ready")
    assert probe(harness) == "ready"


def test_a_rejected_order_is_probed_if_the_others_must_wait_long(harness: StoreHarness) -> None:
    park(harness)
    hold(harness, "hinted", hint=int((harness.now() + 70_000) * 1_000))
    hold(harness, "refused", forbidden_polls=1)
    assert probe(harness) == "refused"


def test_during_a_throttle_the_probe_is_scheduled_for_its_end(harness: StoreHarness) -> None:
    park(harness)
    hold(harness, "a")
    report(harness, AccountSignal.THROTTLED, until=harness.now() + 4_000)
    assert choose(harness) is None
    assert announced(harness) == pytest.approx(4_000, abs=STALL)


def test_one_probe_at_a_time_is_sent(harness: StoreHarness) -> None:
    park(harness)
    hold(harness, "a", "b", "c")
    assert choose(harness) is not None
    assert choose(harness) is None
    harness.submit("new")
    let_probe_be_due(harness)
    assert harness.claim(order_id="new").probe


def test_a_probe_that_waits_for_its_token_is_scheduled_for_it(harness: StoreHarness) -> None:
    park(harness)
    hold(harness, "a", "b")
    first = choose(harness)
    assert first is not None
    harness.redis.zadd(keys.due(ACCOUNT), {first.order_id: int((harness.now() + 5_000) * 1_000)})
    harness.redis.hset(keys.order(first.order_id), "slot", int((harness.now() + 5_000) * 1_000))
    assert choose(harness) is None
    assert announced(harness) == pytest.approx(5_000, abs=STALL)


@pytest.mark.parametrize("end", ["cancelled", "expired", "gone", "never came"])
def test_a_probe_without_a_result_is_followed_by_another(harness: StoreHarness, end: str) -> None:
    park(harness)
    hold(harness, "a", "b")
    first = choose(harness)
    assert first is not None
    match end:
        case "cancelled":
            harness.commit(harness.order(first.order_id), "", status=Status.CANCELLED)
        case "expired":
            harness.redis.hset(keys.order(first.order_id), "deadline", 1)
            order = harness.order(first.order_id)
            harness.commit(order, "", status=Status.EXPIRED, finished_at=harness.now())
        case "gone":
            harness.redis.delete(keys.order(first.order_id))
            harness.redis.zrem(keys.due(ACCOUNT), first.order_id)
        case "never came":
            harness.redis.zadd(keys.due(ACCOUNT), {first.order_id: int((harness.now() + 5_000) * 1_000)})
    second = choose(harness)
    assert second is not None
    assert second.order_id != first.order_id


def test_a_probe_of_a_killed_worker_is_followed_by_another_after_its_lease(harness: StoreHarness) -> None:
    park(harness)
    hold(harness, "a")
    message = choose(harness)
    assert message is not None
    assert harness.claim(message.seq, lease=30, order_id="a").probe
    assert announced(harness) == pytest.approx(30, abs=STALL)
    assert choose(harness) is None
    harness.redis.hset(keys.order("a"), "lease", 0)
    revived = harness.claim(message.seq, order_id="a", claim_id="b")
    let_probe_be_due(harness)
    assert (revived.verdict, revived.probe) == (PollVerdict.GO, True)


def test_removed_orders_are_not_probed(harness: StoreHarness) -> None:
    park(harness)
    hold(harness, "a", "b", "c")
    for name in ("b", "c"):
        harness.redis.delete(keys.order(name))
    assert probe(harness) == "a"
    assert harness.redis.zcard(keys.held(ACCOUNT)) == 0


def test_an_order_past_its_deadline_is_not_a_probe(harness: StoreHarness) -> None:
    park(harness)
    hold(harness, "late", deadline=1)
    assert choose(harness) is None


def test_without_orders_the_next_submitted_one_is_the_probe(harness: StoreHarness) -> None:
    park(harness)
    assert choose(harness) is None
    harness.submit("new")
    assert harness.claim(order_id="new").probe


def test_an_account_that_is_down_is_probed_by_the_order_with_the_nearest_deadline(harness: StoreHarness) -> None:
    for _ in range(OUTAGES):
        report(harness, AccountSignal.UNAVAILABLE)
    for name, ceiling in (("a", 90_000), ("b", 80_000), ("c", 100_000)):
        harness.submit(name, ceiling=ceiling)
        hold(harness, name)
    assert probe(harness) == "b"


def test_a_good_order_after_many_rejected_ones_is_found(harness: StoreHarness) -> None:
    park(harness)
    hold(harness, "good")
    for n in range(1_500):
        harness.redis.hset(
            keys.order(f"m{n}"), mapping={"seq": 1, "status": "pending", "deadline": 10**15, "refusals": 1}
        )
    harness.redis.zadd(keys.held(ACCOUNT), {f"m{n}": 10**15 + n for n in range(1_500)})
    assert probe(harness) == "good"


@pytest.mark.parametrize("seed", range(8))
def test_a_parked_account_always_has_a_next_probe_if_one_is_possible(harness: StoreHarness, seed: int) -> None:
    rng = Random(seed)
    names: list[str] = []
    park(harness)
    for number in range(120):
        match rng.choice(["submit", "claim", "refuse", "ends", "vanish", "hint", "throttle", "down", "sweep", "sweep"]):
            case "submit":
                names.append(f"ord-{number}")
                harness.submit(names[-1], ceiling=rng.choice([5_000, 90_000]))
            case "claim" if names:
                name = rng.choice(names)
                if harness.redis.exists(keys.order(name)):
                    harness.claim(harness.order(name).seq, name, lease=rng.choice([0.001, 3_600]))
            case "refuse" | "ends" | "hint" as what if names:
                _settle(harness, rng.choice(names), what, rng)
            case "vanish" if names:
                name = names.pop(rng.randrange(len(names)))
                harness.redis.delete(keys.order(name))
                harness.redis.zrem(keys.due(ACCOUNT), name)
            case "throttle":
                harness.redis.hset(
                    keys.tokens(ACCOUNT), "blocked", int((harness.now() + rng.choice([-1, 900])) * 1_000)
                )
            case "down":
                report(
                    harness,
                    rng.choice([AccountSignal.UNAVAILABLE, AccountSignal.MALFORMED, AccountSignal.UNAUTHORIZED]),
                    "x",
                )
            case "sweep":
                choose(harness)
                _assert_a_probe_follows(harness, names)


def _settle(harness: StoreHarness, name: str, what: str, rng: Random) -> None:
    """Commit the result of an answer, a cancellation or a deadline, if it still can be."""
    order = harness.stores.orders.get(name)
    if order is None or order.status is not Status.PENDING:
        return
    claim = harness.redis.hget(keys.order(name), "claim") or ""
    later = harness.now() + rng.choice([0, 400, 4_000])
    match what:
        case "refuse":
            report(harness, AccountSignal.FORBIDDEN, name, probe=rng.random() < 0.5)
            harness.commit(order, claim, due_at=later, forbidden_polls=1, attention=Attention.UNAUTHORIZED)
        case "ends":
            ended = rng.choice([Status.CANCELLED, Status.EXPIRED, Status.FULFILLED])
            harness.commit(order, claim, status=ended, finished_at=harness.now())
        case "hint":
            harness.commit(order, claim, due_at=later, hint_until=later)


def _assert_a_probe_follows(harness: StoreHarness, names: list[str]) -> None:
    account, now = harness.redis.hgetall(keys.account(ACCOUNT)), harness.now() * 1_000
    if "state" not in account or account["state"] == "ok" or float(account["probe_at"]) > now:
        return
    orders = {name: harness.redis.hgetall(keys.order(name)) for name in names}
    waiting = [name for name, fields in orders.items() if fields.get("status") == "pending"]
    due = dict(harness.redis.zrange(keys.due(ACCOUNT), 0, -1, withscores=True))
    on_its_way = [name for name in waiting if due.get(name, now + 1) <= now] or account.get("probe") in due
    under_way = any(float(orders[name].get("lease", 0)) > now for name in waiting)
    nobody = all(name not in due and not harness.redis.zscore(keys.held(ACCOUNT), name) for name in waiting)
    past = all(float(orders[name].get("hint", 0)) > float(orders[name]["deadline"]) for name in waiting)
    assert on_its_way or under_way or nobody or past
