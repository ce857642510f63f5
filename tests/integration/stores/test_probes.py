"""Which order probes a stopped account, and that one always does."""

from random import Random
from typing import Any

import pytest

from tests.integration.stores.conftest import ACCOUNT, RATE, Desk
from tests.waiting import STALL
from willcall.orders.decision import AccountSignal
from willcall.orders.model import Attention, Status
from willcall.stores import keys
from willcall.stores.accounts import OUTAGES, REFUSALS, AccountReport
from willcall.stores.messages import PollMessage
from willcall.stores.polls import PollVerdict

PROBE = (3_000.0, 10_000.0)


def report(
    desk: Desk, signal: AccountSignal, order_id: str = "x", *, probe: bool = False, until: float | None = None
) -> None:
    found = AccountReport(signal, order_id, probe, until, "403")
    desk.stores.accounts.report_health(ACCOUNT, found, PROBE, desk.account_alert())


def park(desk: Desk) -> None:
    """Report three refused orders that do not exist."""
    for n in range(REFUSALS):
        report(desk, AccountSignal.FORBIDDEN, f"refused-{n}")


def hold(desk: Desk, *names: str, **fields: Any) -> None:
    """Hold orders of the account, as when it is stopped."""
    for name in names:
        desk.submit(name)
        assert desk.claim(order_id=name).verdict is PollVerdict.HELD
        for field, value in fields.items():
            desk.redis.hset(keys.order(name), field, value)


def let_probe_be_due(desk: Desk) -> None:
    desk.redis.hset(keys.account(ACCOUNT), "probe_at", 0)


def choose(desk: Desk, minimum: float = 0.0) -> PollMessage | None:
    """Return the probe that is sent when one is due."""
    let_probe_be_due(desk)
    return desk.stores.schedule.release_probe(ACCOUNT, minimum).message


def probe(desk: Desk) -> str | None:
    """Run a probe up to its request. Returns the order that was polled."""
    message = choose(desk)
    if message is None:
        return None
    claim = desk.claim(message.seq, message.order_id)
    assert (claim.verdict, claim.probe) == (PollVerdict.GO, True)
    return message.order_id


def refuse(desk: Desk, order_id: str, due_in: float = 400.0) -> None:
    """Answer a probe with 403."""
    order = desk.order(order_id)
    report(desk, AccountSignal.FORBIDDEN, order_id, probe=True)
    desk.commit(order, due_at=desk.now() + due_in, forbidden_polls=1, attention=Attention.UNAUTHORIZED)


def announced(desk: Desk) -> float:
    at = desk.stores.accounts.state(ACCOUNT, RATE).probe_at
    assert at is not None
    return at - desk.now()


@pytest.mark.parametrize("good", [0, 3, 9])
def test_a_good_order_among_ten_misfiled_ones_is_probed_second_at_the_latest(desk: Desk, good: int) -> None:
    names = [f"misfiled-{n}" for n in range(9)]
    names.insert(good, "good")
    park(desk)
    hold(desk, *names)
    if good == 3:  # in the middle nobody can know it, unless it was answered before
        desk.redis.hset(keys.order("good"), "answered", 1)
    asked = []
    for _ in range(2):
        asked.append(probe(desk))
        if asked[-1] == "good":
            break
        refuse(desk, asked[-1] or "")
    assert asked[-1] == "good"


def test_a_rejected_order_is_not_polled_while_another_waits(desk: Desk) -> None:
    park(desk)
    hold(desk, "a", "b", "c", forbidden_polls=2)
    hold(desk, "good")
    hold(desk, "d", "e", attention="malformed")
    assert probe(desk) == "good"


def test_a_rejected_order_that_is_due_leaves_the_probe_to_others(desk: Desk) -> None:
    park(desk)
    desk.submit("refused")
    desk.redis.hset(keys.order("refused"), "refusals", 1)
    hold(desk, "good")
    let_probe_be_due(desk)
    assert desk.claim(order_id="refused").verdict is PollVerdict.HELD
    assert probe(desk) == "good"


def test_a_rejected_order_is_probed_again_if_it_is_the_last_one(desk: Desk) -> None:
    park(desk)
    hold(desk, "only")
    for _ in range(4):
        assert probe(desk) == "only"
        refuse(desk, "only")
        assert 0 < announced(desk) <= PROBE[1]
        assert desk.stores.schedule.release_probe(ACCOUNT, 0).message is None


def test_an_order_that_waits_for_its_next_poll_can_be_the_probe(desk: Desk) -> None:
    for name in ("refused", "answered"):
        desk.submit(name)
    desk.commit(desk.go(order_id="refused"), due_at=desk.now() + 5_000, forbidden_polls=1)
    desk.commit(desk.go(order_id="answered"), due_at=desk.now() + 9_000, answered_polls=3)
    park(desk)
    assert probe(desk) == "answered"


def test_hints_and_the_minimum_apply_to_probes(desk: Desk) -> None:
    park(desk)
    hold(desk, "hinted", hint=int((desk.now() + 700) * 1_000))
    hold(desk, "early", not_before=int((desk.now() + 500) * 1_000))
    hold(desk, "asked", last_poll=int(desk.now() * 1_000))
    assert choose(desk, minimum=600) is None
    assert announced(desk) == pytest.approx(500, abs=STALL)
    hold(desk, "ready")
    assert probe(desk) == "ready"


def test_a_rejected_order_is_probed_if_the_others_must_wait_long(desk: Desk) -> None:
    park(desk)
    hold(desk, "hinted", hint=int((desk.now() + 70_000) * 1_000))
    hold(desk, "refused", forbidden_polls=1)
    assert probe(desk) == "refused"


def test_during_a_throttle_the_probe_is_scheduled_for_its_end(desk: Desk) -> None:
    park(desk)
    hold(desk, "a")
    report(desk, AccountSignal.THROTTLED, until=desk.now() + 4_000)
    assert choose(desk) is None
    assert announced(desk) == pytest.approx(4_000, abs=STALL)


def test_one_probe_at_a_time_is_sent(desk: Desk) -> None:
    park(desk)
    hold(desk, "a", "b", "c")
    assert choose(desk) is not None
    assert choose(desk) is None
    desk.submit("new")
    let_probe_be_due(desk)
    assert desk.claim(order_id="new").probe


def test_a_probe_that_waits_for_its_token_is_scheduled_for_it(desk: Desk) -> None:
    park(desk)
    hold(desk, "a", "b")
    first = choose(desk)
    assert first is not None
    desk.redis.zadd(keys.due(ACCOUNT), {first.order_id: int((desk.now() + 5_000) * 1_000)})
    desk.redis.hset(keys.order(first.order_id), "slot", int((desk.now() + 5_000) * 1_000))
    assert choose(desk) is None
    assert announced(desk) == pytest.approx(5_000, abs=STALL)


@pytest.mark.parametrize("end", ["cancelled", "expired", "gone", "never came"])
def test_a_probe_without_a_result_is_followed_by_another(desk: Desk, end: str) -> None:
    park(desk)
    hold(desk, "a", "b")
    first = choose(desk)
    assert first is not None
    match end:
        case "cancelled":
            desk.commit(desk.order(first.order_id), "", status=Status.CANCELLED)
        case "expired":
            desk.redis.hset(keys.order(first.order_id), "deadline", 1)
            order = desk.order(first.order_id)
            desk.commit(order, "", status=Status.EXPIRED, finished_at=desk.now())
        case "gone":
            desk.redis.delete(keys.order(first.order_id))
            desk.redis.zrem(keys.due(ACCOUNT), first.order_id)
        case "never came":
            desk.redis.zadd(keys.due(ACCOUNT), {first.order_id: int((desk.now() + 5_000) * 1_000)})
    second = choose(desk)
    assert second is not None
    assert second.order_id != first.order_id


def test_a_probe_of_a_killed_worker_is_followed_by_another_after_its_lease(desk: Desk) -> None:
    park(desk)
    hold(desk, "a")
    message = choose(desk)
    assert message is not None
    assert desk.claim(message.seq, lease=30, order_id="a").probe
    assert announced(desk) == pytest.approx(30, abs=STALL)
    assert choose(desk) is None
    desk.redis.hset(keys.order("a"), "lease", 0)
    revived = desk.claim(message.seq, order_id="a", claim_id="b")
    let_probe_be_due(desk)
    assert (revived.verdict, revived.probe) == (PollVerdict.GO, True)


def test_removed_orders_are_not_probed(desk: Desk) -> None:
    park(desk)
    hold(desk, "a", "b", "c")
    for name in ("b", "c"):
        desk.redis.delete(keys.order(name))
    assert probe(desk) == "a"
    assert desk.redis.zcard(keys.held(ACCOUNT)) == 0


def test_an_order_past_its_deadline_is_not_a_probe(desk: Desk) -> None:
    park(desk)
    hold(desk, "late", deadline=1)
    assert choose(desk) is None


def test_without_orders_the_next_submitted_one_is_the_probe(desk: Desk) -> None:
    park(desk)
    assert choose(desk) is None
    desk.submit("new")
    assert desk.claim(order_id="new").probe


def test_an_account_that_is_down_is_probed_by_the_order_with_the_nearest_deadline(desk: Desk) -> None:
    for _ in range(OUTAGES):
        report(desk, AccountSignal.UNAVAILABLE)
    for name, ceiling in (("a", 90_000), ("b", 80_000), ("c", 100_000)):
        desk.submit(name, ceiling=ceiling)
        hold(desk, name)
    assert probe(desk) == "b"


def test_a_good_order_after_many_rejected_ones_is_found(desk: Desk) -> None:
    park(desk)
    hold(desk, "good")
    for n in range(1_500):
        desk.redis.hset(keys.order(f"m{n}"), mapping={"seq": 1, "status": "pending", "deadline": 10**15, "refusals": 1})
    desk.redis.zadd(keys.held(ACCOUNT), {f"m{n}": 10**15 + n for n in range(1_500)})
    assert probe(desk) == "good"


@pytest.mark.parametrize("seed", range(8))
def test_a_parked_account_always_has_a_next_probe_if_one_is_possible(desk: Desk, seed: int) -> None:
    rng = Random(seed)
    names: list[str] = []
    park(desk)
    for number in range(120):
        match rng.choice(["submit", "claim", "refuse", "ends", "vanish", "hint", "throttle", "down", "sweep", "sweep"]):
            case "submit":
                names.append(f"ord-{number}")
                desk.submit(names[-1], ceiling=rng.choice([5_000, 90_000]))
            case "claim" if names:
                name = rng.choice(names)
                if desk.redis.exists(keys.order(name)):
                    desk.claim(desk.order(name).seq, name, lease=rng.choice([0.001, 3_600]))
            case "refuse" | "ends" | "hint" as what if names:
                _settle(desk, rng.choice(names), what, rng)
            case "vanish" if names:
                name = names.pop(rng.randrange(len(names)))
                desk.redis.delete(keys.order(name))
                desk.redis.zrem(keys.due(ACCOUNT), name)
            case "throttle":
                desk.redis.hset(keys.tokens(ACCOUNT), "blocked", int((desk.now() + rng.choice([-1, 900])) * 1_000))
            case "down":
                report(
                    desk,
                    rng.choice([AccountSignal.UNAVAILABLE, AccountSignal.MALFORMED, AccountSignal.UNAUTHORIZED]),
                    "x",
                )
            case "sweep":
                choose(desk)
                _assert_a_probe_follows(desk, names)


def _settle(desk: Desk, name: str, what: str, rng: Random) -> None:
    """Commit the result of an answer, a cancellation or a deadline, if it still can be."""
    order = desk.stores.orders.get(name)
    if order is None or order.status is not Status.PENDING:
        return
    claim = desk.redis.hget(keys.order(name), "claim") or ""
    later = desk.now() + rng.choice([0, 400, 4_000])
    match what:
        case "refuse":
            report(desk, AccountSignal.FORBIDDEN, name, probe=rng.random() < 0.5)
            desk.commit(order, claim, due_at=later, forbidden_polls=1, attention=Attention.UNAUTHORIZED)
        case "ends":
            ended = rng.choice([Status.CANCELLED, Status.EXPIRED, Status.FULFILLED])
            desk.commit(order, claim, status=ended, finished_at=desk.now())
        case "hint":
            desk.commit(order, claim, due_at=later, hint_until=later)


def _assert_a_probe_follows(desk: Desk, names: list[str]) -> None:
    account, now = desk.redis.hgetall(keys.account(ACCOUNT)), desk.now() * 1_000
    if "state" not in account or account["state"] == "ok" or float(account["probe_at"]) > now:
        return
    orders = {name: desk.redis.hgetall(keys.order(name)) for name in names}
    waiting = [name for name, fields in orders.items() if fields.get("status") == "pending"]
    due = dict(desk.redis.zrange(keys.due(ACCOUNT), 0, -1, withscores=True))
    on_its_way = [name for name in waiting if due.get(name, now + 1) <= now] or account.get("probe") in due
    under_way = any(float(orders[name].get("lease", 0)) > now for name in waiting)
    nobody = all(name not in due and not desk.redis.zscore(keys.held(ACCOUNT), name) for name in waiting)
    past = all(float(orders[name].get("hint", 0)) > float(orders[name]["deadline"]) for name in waiting)
    assert on_its_way or under_way or nobody or past
