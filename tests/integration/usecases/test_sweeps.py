"""The sweeps, run directly."""

from dataclasses import replace
from typing import Any

import pytest

from schedules.run import Run
from schedules.sweeps import SWEEPS, run_sweep
from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from willcall.orders.model import Status
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.usecases.accounts import pause
from willcall.usecases.poll_once import poll_once


def overdue(h: System, order_id: str = "ord-1") -> None:
    h.redis.hset(keys.order(order_id), "due", 1)
    h.redis.zadd(keys.due(h.order(order_id).account_key), {order_id: 1})


def test_the_polls_sweep_sends_an_overdue_order_again(make_system: Setup) -> None:
    h = make_system()
    h.submit(OrderScript(provider="tiqets", reference="1"))
    h.outbox.messages.clear()
    assert run_sweep(h.context, "polls") == {"resent": 0, "released": 0}
    overdue(h)
    assert run_sweep(h.context, "polls") == {"resent": 1, "released": 0}
    assert [message.seq for message in h.outbox.messages] == [1]
    assert run_sweep(h.context, "polls") == {"resent": 0, "released": 0}


def test_the_polls_sweep_skips_orders_that_were_already_sent(make_system: Setup) -> None:
    h = make_system()
    for n in range(1_200):
        h.redis.hset(keys.order(f"o{n}"), mapping={"seq": 1, "resend_at": 9e15})
        h.redis.zadd(keys.due("tiqets/default"), {f"o{n}": 1})
    h.submit(OrderScript(provider="tiqets", reference="1"))
    overdue(h)
    h.redis.zadd(keys.due("tiqets/default"), {"ord-1": 2})
    assert run_sweep(h.context, "polls") == {"resent": 1, "released": 0}


def test_the_polls_sweep_sends_orders_of_a_reconfigured_account_at_once(make_system: Setup) -> None:
    h = make_system()
    h.submit(OrderScript(provider="tiqets", reference="1"))
    h.outbox.messages.clear()
    overdue(h)
    others = {key: account for key, account in h.context.accounts.items() if account.provider != "tiqets"}
    without_account = replace(h.context, accounts=others)
    assert run_sweep(without_account, "polls") == {"resent": 0, "released": 0}
    poll_once(without_account, "ord-1", 1, "tiqets/default")
    assert run_sweep(without_account, "polls") == {"resent": 0, "released": 0}
    assert run_sweep(h.context, "polls") == {"resent": 1, "released": 0}
    assert h.poll().attempts == 1


def test_orders_of_an_account_that_stays_parked_expire(make_system: Setup) -> None:
    h = make_system()
    h.submit(OrderScript(provider="tiqets", reference="1"))
    pause(h.context, h.context.accounts["tiqets/default"], None, ANNA)
    h.poll()
    assert run_sweep(h.context, "expire") == {"expired": 0}
    h.redis.hset(keys.order("ord-1"), "deadline", 1)
    h.redis.zadd(keys.held("tiqets/default"), {"ord-1": 1})
    assert run_sweep(h.context, "expire") == {"expired": 1}
    assert h.order().status is Status.EXPIRED
    assert h.events() == ["order.expired"]


def test_an_expired_order_is_polled_again_later_and_may_be_fulfilled(make_system: Setup) -> None:
    h = make_system(polling={"initial": 1, "cap": 1, "minimum": 0, "ceiling": 0.001})
    h.submit(OrderScript(provider="tiqets", reference="1", answers=({"do": "status", "status": 404},)))  # type: ignore[arg-type]
    assert h.poll().status is Status.EXPIRED
    assert run_sweep(h.context, "reconcile") == {"late_checks": 0, "differing": 0}
    h.redis.zadd(keys.LATE, {"ord-1": 1})
    assert run_sweep(h.context, "reconcile") == {"late_checks": 1, "differing": 0}
    assert h.poll().status is Status.FULFILLED
    assert h.events() == ["order.expired", "order.fulfilled"]
    assert h.redis.zcard(keys.LATE) == 0


def test_late_checks_end_a_week_after_the_order_expired(make_system: Setup) -> None:
    h = make_system(polling={"initial": 1, "cap": 1, "minimum": 0, "ceiling": 0.001})
    h.submit(OrderScript(provider="tiqets", reference="1", ends="never"))
    h.poll()
    week = 7 * 86_400_000
    finished = int(h.redis.hget(keys.order("ord-1"), "finished") or 0)
    h.redis.hset(keys.order("ord-1"), "finished", finished - week)
    h.redis.zadd(keys.LATE, {"ord-1": 1})
    run_sweep(h.context, "reconcile")
    h.poll()
    assert h.redis.zcard(keys.LATE) == 0


@pytest.mark.parametrize(("provider", "reference"), [("funtrips", "chk_9"), ("paylogic", "a7c60009")])
def test_a_difference_in_the_list_expedites_the_order(make_system: Setup, provider: str, reference: str) -> None:
    h = make_system()
    script = OrderScript.model_validate({"provider": provider, "reference": reference, "cancel_after": 0})
    h.submit(script)
    h.redis.hset(keys.order("ord-1"), mapping={"status": "fulfilled", "ask": 0})
    assert run_sweep(h.context, "reconcile") == {"late_checks": 0, "differing": 1}
    assert h.order().status is Status.FULFILLED
    assert h.poll().status is Status.CANCELLED


def test_an_order_that_the_provider_cancels_before_the_event_is_found_cancelled(make_system: Setup) -> None:
    h = make_system(rate={"limit": 1_000, "period": 1, "burst": 1_000})
    script = {"provider": "paylogic", "reference": "a7c60009", "cancel_after": 7_200}
    h.submit(OrderScript.model_validate(script), event_at="2099-05-01T20:00:00Z")
    assert h.poll().status is Status.FULFILLED
    assert run_sweep(h.context, "watch") == {"polled": 0}
    h.let_time_pass_for_providers(7_200)
    seven_hours_ago = int((h.context.stores.accounts.now() - 7 * 3_600) * 1_000)
    h.redis.hset(keys.order("ord-1"), mapping={"last_poll": seven_hours_ago, "finished": seven_hours_ago})
    h.redis.zadd(keys.watched("paylogic/default"), {"ord-1": 1})
    assert run_sweep(h.context, "watch") == {"polled": 1}
    assert h.poll().status is Status.CANCELLED
    assert h.events() == ["order.fulfilled", "order.cancelled"]


@pytest.mark.parametrize(
    ("provider", "reference"),
    [
        ("funtrips", "chk_1"),
        ("tiqets", "1111111"),
        ("tixstock", "tix-1"),
        ("voordemensen", "XgFca-QmBxG"),
        ("paylogic", "a7c60009"),
    ],
)
def test_a_late_cancellation_is_found_at_every_provider_without_an_event(
    make_system: Setup, provider: str, reference: str
) -> None:
    h = make_system(rate={"limit": 1_000, "period": 1, "burst": 1_000})
    h.submit(OrderScript.model_validate({"provider": provider, "reference": reference, "cancel_after": 7_200}))
    assert h.poll().status is Status.FULFILLED
    h.let_time_pass_for_providers(7_200)
    seven_hours_ago = int((h.context.stores.accounts.now() - 7 * 3_600) * 1_000)
    h.redis.hset(keys.order("ord-1"), mapping={"last_poll": seven_hours_ago, "finished": seven_hours_ago})
    expired = [keys.oauth(f"{provider}/default"), *h.redis.scan_iter(f"{keys.PREFIX}shared_interval:*")]
    h.redis.delete(*expired)
    assert h.redis.zscore(keys.watched(f"{provider}/default"), "ord-1") == 0
    assert run_sweep(h.context, "watch") == {"polled": 1}
    assert h.poll().status is Status.CANCELLED
    assert h.events() == ["order.fulfilled", "order.cancelled"]


def test_orders_that_an_earlier_release_fulfilled_are_watched_too(make_system: Setup) -> None:
    h = make_system()
    h.submit(OrderScript(provider="tiqets", reference="1"))
    h.poll()
    h.redis.delete(keys.watched("tiqets/default"))
    assert run_sweep(h.context, "lists") == {"relisted": 1}
    assert h.redis.zscore(keys.watched("tiqets/default"), "ord-1") == 0
    assert run_sweep(h.context, "lists") == {"relisted": 0}


@pytest.mark.parametrize("field", [{"ended_by": "operator"}, {"event": 1}, {"bound": "0"}])
def test_orders_that_are_not_watched_any_more_are_not_listed_each_time(make_system: Setup, field: Any) -> None:
    h = make_system()
    h.submit(OrderScript(provider="tiqets", reference="1"))
    h.poll()
    h.redis.hset(keys.order("ord-1"), mapping=field)
    run_sweep(h.context, "lists")
    h.redis.delete(keys.watched("tiqets/default"))
    assert run_sweep(h.context, "lists") == {"relisted": 0}
    assert not h.redis.exists(keys.watched("tiqets/default"))


def test_prune_removes_orders_after_the_retention(make_system: Setup) -> None:
    h = make_system()
    h.submit(OrderScript(provider="tiqets", reference="1"))
    h.poll()
    assert run_sweep(h.context, "prune") == {"orders": 0, "events": 0, "documents": 0}
    h.redis.zadd(keys.FINAL, {"ord-1": 1})
    assert run_sweep(h.context, "prune") == {"orders": 1, "events": 0, "documents": 1}
    assert h.context.stores.orders.get("ord-1") is None


def test_prune_follows_the_retention_that_an_account_has_now(make_system: Setup) -> None:
    h = make_system(retention=3_600.0)
    h.submit(OrderScript(provider="tiqets", reference="1"))
    h.poll()
    h.redis.zincrby(keys.FINAL, -7_200_000, "ord-1")
    for account in (replace(h.context.accounts["tiqets/default"], retention=86_400.0), None):
        others = {key: each for key, each in h.context.accounts.items() if key != "tiqets/default"}
        reloaded = replace(h.context, accounts={**others, **({"tiqets/default": account} if account else {})})
        assert run_sweep(reloaded, "prune") == {"orders": 0, "events": 0, "documents": 0}
    assert run_sweep(h.context, "prune") == {"orders": 1, "events": 0, "documents": 1}


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_never_runs_twice_at_a_time(make_system: Setup, name: str) -> None:
    h = make_system()
    with h.context.stores.leases.hold(f"sweep:{name}", 3_600):
        assert run_sweep(h.context, name) is None
    assert run_sweep(h.context, name) is not None


def test_a_sweep_whose_worker_was_killed_runs_again_within_seconds(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    left: list[int] = []

    def dies(_: Run) -> dict[str, int]:
        left.append(h.redis.pttl(keys.lease("sweep:polls")))
        return {}

    monkeypatch.setitem(SWEEPS, "polls", dies)
    run_sweep(h.context, "polls")
    assert left[0] != -1, "it ends by itself"
    assert left[0] <= 15_000


def test_the_result_of_a_sweep_is_stored_even_if_it_fails(make_system: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Run) -> dict[str, int]:
        raise ZeroDivisionError("a text that may hold anything")

    h = make_system()
    sweeps = h.context.stores.sweeps
    run_sweep(h.context, "expire")
    assert sweeps.last_runs()["expire"].counts == {"expired": 0}
    monkeypatch.setitem(SWEEPS, "expire", fails)
    before = h.context.stores.accounts.now()
    with pytest.raises(ZeroDivisionError):
        run_sweep(h.context, "expire")
    run = sweeps.last_runs()["expire"]
    assert (run.error, run.counts) == ("ZeroDivisionError", {})
    assert before <= run.at <= h.context.stores.accounts.now()
