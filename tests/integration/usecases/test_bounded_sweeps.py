"""Sweeps that meet things they fail at, that run out of time, or whose lease goes to another run."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from schedules import expire, polls, prune, run
from schedules.run import Run
from schedules.sweeps import SWEEPS, run_sweep, sweep_for
from tests.integration.usecases.conftest import Setup, System
from tests.integration.usecases.test_failures import Broken, failure_count
from tests.waiting import wait_until
from willcall.orders.model import Status, Ticket, TicketKind
from willcall.orders.pushes import TicketsPush
from willcall.orders.ticket_identity import mark_pushed
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.documents import StorageError
from willcall.stores.inbox import StoredPush
from willcall.usecases.accounts import release_held

Sweeps = dict[str, Callable[[Run], dict[str, int]]]


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> Sweeps:
    """The timetable, to which a test may add sweeps of its own."""
    own = dict(SWEEPS)
    monkeypatch.setattr("schedules.sweeps.SWEEPS", own)
    return own


def submit(h: System, *numbers: int, account: str = "default") -> list[str]:
    """Orders whose ids follow from their numbers."""
    scripts = [OrderScript(provider="tiqets", reference=str(n), account=account) for n in numbers]
    return [h.submit(script, id=f"ord-{n}") for script, n in zip(scripts, numbers, strict=True)]


def hold(h: System, *order_ids: str, deadline: float = 1) -> None:
    """As if the orders waited for their account since before their deadline, which has come."""
    for number, order_id in enumerate(order_ids):
        h.redis.hset(keys.order(order_id), "deadline", int(deadline))
        h.redis.zadd(keys.held("tiqets/default"), {order_id: number + 1})


def spoil(h: System, order_id: str) -> None:
    """An order that no code can read."""
    h.redis.set(keys.spec(order_id), "{")


def failures(lines: list[Any]) -> list[Any]:
    return [line for line in lines if line["event"] == "sweep item failed"]


def test_an_order_that_cannot_be_expired_does_not_block_others(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expire, "BATCH", 2)
    h = make_system()
    orders = submit(h, *range(7))
    hold(h, *orders)
    for order_id in orders[:3]:  # more than a batch
        spoil(h, order_id)
    with capture_logs() as lines:
        assert run_sweep(h.context, "expire") == {"expired": 4, "failed": 3}
    assert [h.order(order_id).status for order_id in orders[3:]] == [Status.EXPIRED] * 4
    assert [line["order"] for line in failures(lines)] == orders[:3]
    assert all(line["exc_info"] for line in failures(lines))
    assert failure_count(h, "sweep") == 3


def test_repeated_failures_are_retried_less_often_and_logged_once(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    orders = submit(h, 1, 2)
    hold(h, *orders)
    spoil(h, orders[0])
    with capture_logs() as lines:
        assert run_sweep(h.context, "expire") == {"expired": 1, "failed": 1}
        assert run_sweep(h.context, "expire") == {"expired": 0}, "it is left alone"
        first = h.context.stores.sweeps.failing_items("expire")[orders[0]]
        monkeypatch.setattr(type(h.context.stores.accounts), "now", lambda _: first.until + 1)
        assert run_sweep(h.context, "expire") == {"expired": 0, "failed": 1}
    second = h.context.stores.sweeps.failing_items("expire")[orders[0]]
    assert (first.times, second.times) == (1, 2)
    assert second.until - first.until > 1.5 * run.FIRST_BACK_OFF
    assert len(failures(lines)) == 1


def test_a_failure_is_removed_after_a_success(make_system: Setup) -> None:
    h = make_system()
    orders = submit(h, 1)
    hold(h, *orders)
    spec = h.redis.get(keys.spec(orders[0]))
    spoil(h, orders[0])
    run_sweep(h.context, "expire")
    h.redis.set(keys.spec(orders[0]), spec or "")
    h.redis.hset(keys.sweep_failures("expire"), orders[0], f"[1, {time.time() - 60}]")
    assert run_sweep(h.context, "expire") == {"expired": 1}
    assert h.context.stores.sweeps.failing_items("expire") == {}


def keep_push(h: System, number: int) -> str:
    """A push ahead of its order, with a file, whose id this is."""
    document = h.context.documents.put(b"%%PDF-1.7\n%d\n%%%%EOF\n" % number, "tixstock/default")
    ticket = mark_pushed(Ticket(TicketKind.PDF, seat=str(number)), document.id, document.sha256)
    push = TicketsPush((ticket,))
    kept = StoredPush("tixstock/default", f"t{number}", f"digest {number}", "upload", time.time() + number, push)
    h.context.stores.inbox.store_push(kept)
    return document.id


def test_a_stored_push_with_an_unreadable_file_does_not_block_others(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    h = make_system()
    files = [keep_push(h, number) for number in range(4)]
    with monkeypatch.context() as died:
        died.setattr("willcall.usecases.submit.apply_inbox", lambda *_: 0)
        orders = [
            h.submit(OrderScript(provider="tixstock", reference=f"t{number}"), id=f"ord-{number}")
            for number in range(4)
        ]
    (gone,) = (tmp_path / "documents").rglob(f"{files[0]}*")
    gone.unlink()
    with capture_logs() as lines:
        assert run_sweep(h.context, "inbox") == {"applied": 3, "submitted": 0, "failed": 1}
    assert [bool(h.order(order_id).tickets) for order_id in orders] == [False, True, True, True]
    assert "t0" not in str(failures(lines))
    assert failure_count(h, "sweep") == 0, "that a file is gone is not our mistake"


def test_a_failure_is_removed_with_its_item(make_system: Setup) -> None:
    h = make_system()
    h.redis.hset(keys.sweep_failures("expire"), "gone", "[3, 1000]")
    run_sweep(h.context, "expire")
    assert h.context.stores.sweeps.failing_items("expire") == {}


def test_an_unreadable_record_in_the_inbox_does_not_block_others(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    for number in range(2):
        keep_push(h, number)
    with monkeypatch.context() as died:
        died.setattr("willcall.usecases.submit.apply_inbox", lambda *_: 0)
        for number in range(2):
            h.submit(OrderScript(provider="tixstock", reference=f"t{number}"), id=f"ord-{number}")
    h.redis.hset(keys.pushes_ahead("tixstock/default", "t0"), "digest 0", "{")
    assert run_sweep(h.context, "inbox") == {"applied": 1, "submitted": 0, "failed": 1}


def test_an_account_with_a_failing_list_does_not_block_others(make_system: Setup) -> None:
    h = make_system()
    script = {"provider": "paylogic", "reference": "a7c60009", "cancel_after": 0}
    h.submit(OrderScript.model_validate(script))
    h.redis.hset(keys.order("ord-1"), mapping={"status": "fulfilled", "ask": 0})
    first = h.context.accounts["funtrips/default"]
    adapter = Broken(first.adapter, "listing.read_list", KeyError())
    accounts = {**h.context.accounts, first.key: replace(first, adapter=adapter)}
    broken = replace(h.context, accounts=MappingProxyType(accounts))
    assert run_sweep(broken, "reconcile") == {"late_checks": 0, "differing": 1, "failed": 1}


def test_an_expired_order_that_cannot_be_polled_does_not_block_other_late_checks(make_system: Setup) -> None:
    h = make_system()
    orders = submit(h, 1, 2)
    for number, order_id in enumerate(orders):
        h.redis.hset(
            keys.order(order_id), mapping={"status": "expired", "ask": 0, "finished": int(time.time() * 1_000)}
        )
        h.redis.zadd(keys.LATE, {order_id: number + 1})
    spoil(h, orders[0])
    assert run_sweep(h.context, "reconcile") == {"late_checks": 1, "differing": 0, "failed": 1}
    assert h.redis.zscore(keys.LATE, orders[0]) > time.time() * 1_000, "it goes to the end of the line"


def test_a_file_that_cannot_be_removed_does_not_block_the_sweep(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "BATCH", 2)
    h = make_system()
    documents = [h.context.documents.put(b"%%PDF-1.7\n%d\n%%%%EOF\n" % number, "gone").id for number in range(5)]
    h.redis.sadd(keys.ORPHANED_DOCUMENTS, *documents)
    remove = type(h.context.documents).remove

    def fails_for_one(store: Any, document_id: str) -> bool:
        if document_id == documents[0]:
            raise StorageError("permission denied")
        return remove(store, document_id)

    monkeypatch.setattr(type(h.context.documents), "remove", fails_for_one)
    removed = 0
    for _ in range(10):  # a run stops at a batch without progress
        removed += (run_sweep(h.context, "prune") or {})["documents"]
    assert removed == 4
    assert h.redis.smembers(keys.ORPHANED_DOCUMENTS) == {documents[0]}


def test_prune_removes_an_unreadable_order(make_system: Setup) -> None:
    h = make_system()
    orders = submit(h, 1, 2)
    spoil(h, orders[0])
    for order_id in orders:
        h.redis.zadd(keys.FINAL, {order_id: 1})
    assert (run_sweep(h.context, "prune") or {})["orders"] == 2


def test_a_run_stops_when_its_time_is_up_and_the_next_one_continues(make_system: Setup, sweeps: Sweeps) -> None:
    h = make_system()
    seen: list[str] = []
    for number in range(3):
        h.redis.sadd(keys.ACCOUNTS, f"tiqets/{number}")

    def one_account(run: Run) -> dict[str, int]:
        def work(account: str) -> int:
            seen.append(account)
            run.until = 0.0  # the time is over
            return 1

        return {"worked": run.for_each_account(work)}

    sweeps["slow"] = one_account
    for _ in range(4):
        swept = sweep_for(h.context, "slow", 60)
        assert swept is not None
        assert (swept.counts, swept.unfinished) == ({"worked": 1}, True)
    assert seen == ["tiqets/0", "tiqets/1", "tiqets/2", "tiqets/0"]


def test_after_a_complete_run_the_next_starts_from_the_beginning(make_system: Setup) -> None:
    h = make_system()
    h.redis.sadd(keys.ACCOUNTS, "tiqets/a", "tiqets/b")
    h.context.stores.sweeps.save_position("polls", "tiqets/a")
    swept = sweep_for(h.context, "polls", 60)
    assert swept is not None
    assert not swept.unfinished
    assert h.context.stores.sweeps.position("polls") == ""


def test_one_slow_account_does_not_use_up_the_time_of_others(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    configured = h.context.accounts["tiqets/default"]
    accounts = {"tiqets/default": configured, "tiqets/other": replace(configured, name="other")}
    context = replace(h.context, accounts=accounts)
    for account in ("default", "other"):
        for n in range(3):
            h.redis.hset(keys.order(f"{account}-{n}"), "seq", 1)
            h.redis.zadd(keys.due(f"tiqets/{account}"), {f"{account}-{n}": 1})
        h.redis.sadd(keys.ACCOUNTS, f"tiqets/{account}")
    monkeypatch.setattr(polls, "BATCH", 1)
    ticks = iter(range(10_000))
    monkeypatch.setattr(run, "monotonic", lambda: float(next(ticks)))
    sent = []
    for _ in range(2):
        with h.context.stores.leases.hold("x", 60) as lease:
            polls.polls(Run(context, "polls", float(next(ticks)) + 5, lease))
        sent.append({message.order_id.partition("-")[0] for message in h.outbox.messages})
    assert sent == [{"default"}, {"default", "other"}]


def test_a_long_run_renews_its_lease(make_system: Setup) -> None:
    h = make_system()
    with h.context.stores.leases.hold("sweep:x", 0.3) as lease:
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            with h.context.stores.leases.hold("sweep:x", 0.3) as other:
                assert not other
    assert not h.redis.exists(keys.lease("sweep:x"))
    assert lease is not None


def test_a_run_that_lost_its_lease_stops(make_system: Setup) -> None:
    h = make_system()
    with h.context.stores.leases.hold("sweep:x", 0.3) as lease:
        run = Run(h.context, "x", time.monotonic() + 3_600, lease)
        assert run.may_continue()
        h.redis.set(keys.lease("sweep:x"), "somebody else")
        wait_until(lambda: not lease)
        assert not run.may_continue()
    assert h.redis.get(keys.lease("sweep:x")) == "somebody else"


def test_a_lease_is_renewed_only_for_a_bounded_time(make_system: Setup) -> None:
    h = make_system()
    with h.context.stores.leases.hold("sweep:x", 0.3, longest=0.0) as lease:
        wait_until(lambda: not lease)
        wait_until(lambda: not h.redis.exists(keys.lease("sweep:x")))


def test_an_unreachable_redis_ends_a_run(make_system: Setup, sweeps: Sweeps) -> None:
    h = make_system()

    def away(run: Run) -> dict[str, int]:
        def fails() -> int:
            raise redis.ConnectionError

        return {"done": run.try_item("x", fails)}

    sweeps["away"] = away
    with pytest.raises(redis.ConnectionError):
        run_sweep(h.context, "away")


def test_orders_are_released_as_long_as_there_is_time(make_system: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("willcall.usecases.accounts.BATCH", 1)
    h = make_system()
    hold(h, *submit(h, 1, 2, 3), deadline=time.time() * 1_000 + 1e6)
    left = iter([True, True, False])
    assert release_held(h.context, "tiqets/default", lambda: next(left)) == 2
    assert (run_sweep(h.context, "polls") or {})["released"] == 1
