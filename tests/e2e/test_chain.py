"""The whole system at work: real workers, killed, throttled, locked out."""

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery

from tests.actors import ANNA
from tests.e2e.conftest import Setup, orders_of, submit_all, unlike, wait_for_the_end
from tests.waiting import wait_until
from willcall.config import load
from willcall.devtools.local_deployment import LocalDeployment
from willcall.orders.changes import Update
from willcall.orders.model import Status
from willcall.orders.policy import Rate
from willcall.simulator.script import OrderScript
from willcall.stores.accounts import AccountHealth
from willcall.usecases.orders import cancel_order, request_poll


def tiqets(number: int, **fields: Any) -> OrderScript:
    return OrderScript(provider="tiqets", reference=str(1_000_000 + number), **fields)


def events_per_change(deployment: LocalDeployment) -> Counter[tuple[str, str]]:
    """How many events each change of a status has."""
    events = list(deployment.context.stores.events.list_after(None, 10_000))
    assert len({event.id for event in events}) == len(events)
    return Counter((event.order_id, event.type) for event in events if event.type not in set(Update))


@pytest.mark.proof
def test_a_crowd_is_polled_at_the_rate_and_not_woken_needlessly(deployment: Setup) -> None:
    limit = {"limit": 50, "period": 1, "burst": 10}
    patient = {"read_timeout": 30, "total_timeout": 40}  # an answer that a busy machine holds up is no second request
    system = deployment({"tiqets/default": {"rate": limit, "http": patient}})
    system.start("worker", "--concurrency", "4")
    wait_for_the_end(system, submit_all(system, [tiqets(1_000 + n) for n in range(20)], "first"))
    system.providers.reset()
    before = polls(system)
    due = datetime.fromtimestamp(system.context.stores.accounts.now() + 5, UTC)
    expected = submit_all(system, [tiqets(n) for n in range(500)], not_before=due.isoformat())
    wait_until(lambda: system.context.stores.listing.counts("tiqets/default")[Status.FULFILLED] == 520, 100)
    assert not unlike(system, expected)
    verdict = system.providers.verdict()
    assert verdict["ok"], verdict["faults"]
    arrivals = sorted(entry["arrived"] for entry in system.providers.ledger(provider="tiqets"))
    assert len(arrivals) == 500
    assert arrivals[0] >= due.timestamp()
    # Each is woken when it is due and at its slot; on a busy machine some miss that and get another.
    assert polls(system) - before <= 3 * 500


def polls(system: LocalDeployment) -> int:
    """How many poll tasks the workers have run."""
    stats = system.app.control.inspect(timeout=60, limit=1).stats() or {}
    return sum(worker["total"].get("tasks.poll", 0) for worker in stats.values())


@pytest.mark.proof
def test_kill_9_of_the_only_worker_loses_nothing_and_repeats_only_its_attempt(
    deployment: Setup, broker: dict[str, str]
) -> None:
    slow = [{"do": "hang", "seconds": 1.5}]
    script = [
        *(OrderScript(provider="funtrips", reference=f"chk-{n}") for n in range(5)),
        *(OrderScript(provider="paylogic", reference=f"{n:032x}") for n in range(5)),
        *(OrderScript(provider="voordemensen", reference=f"Vdm{n}-QmBxG-9WhAj") for n in range(5)),
        *(tiqets(n) for n in range(40)),
        *(tiqets(100 + n, ready_after=4 + n / 20) for n in range(60)),
        *(tiqets(200 + n, answers=slow) for n in range(12)),
        *(tiqets(300 + n, ready_after=3, ends="failed") for n in range(30)),
        *(
            OrderScript(provider="tixstock", reference=f"t{n}", partial_after=1, ready_after=6, quantity=2)
            for n in range(30)
        ),
    ]
    accounts = {f"{provider}/default": {} for provider in ("tixstock", "funtrips", "paylogic", "voordemensen")}
    limited = {"rate": {"limit": 40, "period": 1, "burst": 20}}
    system = deployment({"tiqets/default": limited} | accounts, **broker)
    system.start("beat")
    worker = system.start("worker")
    expected = submit_all(system, script)
    statuses = lambda: Counter(order.status for order in orders_of(system, expected))  # noqa: E731
    wait_until(lambda: statuses()[Status.FULFILLED] > 20)
    system.kill(worker)
    assert statuses()[Status.PENDING] > 0
    cut = sum(entry["finished"] is None for entry in system.providers.ledger())
    system.start("worker")
    wait_for_the_end(system, expected, 90)

    changes = events_per_change(system)
    assert set(changes.values()) == {1}
    finals = Counter(order_id for order_id, kind in changes if kind != "order.partial")
    assert set(finals) == set(expected)
    assert set(finals.values()) == {1}
    verdict = system.providers.verdict()
    assert verdict["ok"], verdict["faults"]
    request_count = sum(tally["status_requests"] for tally in verdict["providers"].values())
    settled = sum(order.attempts for order in orders_of(system, expected))
    assert settled <= request_count <= settled + max(cut, 32)


@pytest.mark.proof
def test_a_rolling_restart_loses_no_order_and_repeats_no_request(deployment: Setup, broker: dict[str, str]) -> None:
    """What docs/ops/deployment.md says of an upgrade: the new one starts, the old one stops when it has finished."""
    system = deployment({"tiqets/default": {}}, **broker)
    slow = [{"do": "hang", "seconds": 1.0}] * 3
    roles = ("worker", "worker", "beat")
    running = [system.start(role) for role in roles]
    system.wait_for_workers(2)
    expected = submit_all(
        system,
        [*(tiqets(n, ready_after=n / 6) for n in range(60)), *(tiqets(100 + n, answers=slow) for n in range(8))],
    )
    for number, (role, old) in enumerate(zip(roles, running, strict=True)):
        attempts = len(system.providers.ledger())
        system.start(role)
        if role == "worker":
            system.wait_for_workers(3)
        newcomers = [tiqets(200 + 10 * number + n, ready_after=n / 2) for n in range(5)]
        expected |= submit_all(system, newcomers, prefix=f"new-{number}")
        wait_until(lambda before=attempts: len(system.providers.ledger()) > before)  # type: ignore[misc]
        old.terminate()
        assert old.wait(60) == 0
    wait_for_the_end(system, expected)

    assert set(events_per_change(system).values()) == {1}
    verdict = system.providers.verdict()
    assert verdict["ok"], verdict["faults"]
    request_count = sum(tally["status_requests"] for tally in verdict["providers"].values())
    assert request_count == sum(order.attempts for order in orders_of(system, expected))


@pytest.mark.proof
def test_a_revoked_key_parks_the_account_until_it_works_again_and_fails_no_order(deployment: Setup) -> None:
    system = deployment({"tiqets/default": {}, "tixstock/default": {}})
    system.start("beat")
    system.start("worker")
    system.providers.update_account("tiqets", revoked=True)
    expected = submit_all(
        system,
        [*(tiqets(n) for n in range(30)), *(OrderScript(provider="tixstock", reference=f"t{n}") for n in range(5))],
    )
    health = lambda: system.context.stores.accounts.state("tiqets/default", Rate(1, 1, 1)).health  # noqa: E731
    attention = lambda: [order.attention for order in orders_of(system, expected)]  # noqa: E731
    wait_until(lambda: health() is AccountHealth.UNAUTHORIZED and attention().count("unauthorized") == 30)
    wait_until(lambda: sum(order.status is Status.FULFILLED for order in orders_of(system, expected)) == 5)
    system.providers.update_account("tiqets", revoked=False)
    wait_for_the_end(system, expected)
    assert set(attention()) == {None}
    assert health() is AccountHealth.OK
    unauthorized = system.providers.verdict()["providers"]["tiqets"]["unauthorized"]
    assert unauthorized < 60
    lines = [json.loads(line) for line in (system.folder / "worker.log").read_text().splitlines() if line.endswith("}")]
    changes = [(line["account"], line["was"], line["health"]) for line in lines if line["event"] == "account"]
    assert changes == [("tiqets/default", "ok", "unauthorized"), ("tiqets/default", "unauthorized", "ok")]


@pytest.mark.proof
def test_a_provider_that_hangs_does_not_block_others(deployment: Setup) -> None:
    system = deployment({"tiqets/default": {}, "tixstock/default": {}})
    system.providers.update_account("tiqets", down="hang")
    expected = submit_all(
        system,
        [
            *(tiqets(n) for n in range(100)),
            *(OrderScript(provider="tixstock", reference=f"t{n}", ready_after=1) for n in range(40)),
        ],
    )
    system.start("beat")
    system.start("worker", "--concurrency", "8")
    healthy = {order_id: end for number, (order_id, end) in enumerate(expected.items()) if number >= 100}
    wait_until(lambda: not unlike(system, healthy))
    assert len(unlike(system, expected)) == 100
    state = lambda: system.context.stores.accounts.state("tiqets/default", Rate(1, 1, 1)).health  # noqa: E731
    wait_until(lambda: state() is AccountHealth.DOWN)
    system.providers.update_account("tiqets", down=None)
    wait_for_the_end(system, expected)


def test_any_celery_app_on_the_broker_can_submit(deployment: Setup, broker: dict[str, str]) -> None:
    system = deployment({"tiqets/default": {}}, **broker)
    system.start("worker")
    system.providers.add_orders([tiqets(1)])
    with Celery("a-backend", broker=load(system.environment).broker_url, set_as_current=False) as backend:
        for payload in (
            {"id": "mine", "provider": "tiqets", "reference": "1000001"},
            {"id": "bad", "provider": "tiqets", "reference": "secret-reference", "quantity": "many"},
        ):
            backend.send_task("tasks.submit", queue="willcall", kwargs=payload)
    wait_for_the_end(system, {"mine": "fulfilled"})
    assert system.context.stores.orders.get("bad") is None
    log = system.folder / "worker.log"
    wait_until(lambda: "quantity: must be a whole number" in log.read_text())
    assert "secret-reference" not in log.read_text()


def test_an_operator_can_poll_now_and_cancel(deployment: Setup) -> None:
    system = deployment({"tiqets/default": {"polling": {"initial": 300, "cap": 300, "minimum": 0.2}}})
    system.start("worker")
    expected = submit_all(system, [tiqets(1, ready_after=1), tiqets(2, ends="never")])
    wait_until(lambda: all(order.attempts == 1 for order in orders_of(system, expected)))
    known_at = system.providers.orders()[0]["known_at"]
    wait_until(lambda: system.context.stores.accounts.now() > known_at + 1)
    request_poll(system.context, "ord-0", ANNA)
    wait_until(lambda: orders_of(system, expected)[0].status is Status.FULFILLED)
    assert cancel_order(system.context, "ord-1", ANNA)
    assert not cancel_order(system.context, "ord-1", ANNA)
    assert events_per_change(system)["ord-1", "order.cancelled"] == 1


@pytest.mark.proof
def test_documents_arrive_with_their_tickets_or_later(deployment: Setup) -> None:
    system = deployment({"funtrips/default": {}, "tiqets/default": {}})
    system.start("worker", "--concurrency", "4")
    system.wait_for_workers(1)
    script = [
        *(OrderScript(provider="funtrips", reference=f"chk_{n}", ready_after=1, link_life=2) for n in range(10)),
        tiqets(1, documents_after=3),
    ]
    expected = submit_all(system, script)
    wait_for_the_end(system, expected)
    events = system.context.stores.events.list_after(None, 100)
    delivered = {event.order_id: event.data["tickets"] for event in events if event.type == "order.fulfilled"}
    assert all(ticket["document"] for order_id in list(expected)[:10] for ticket in delivered[order_id])
    assert delivered["ord-10"][0]["document"] is None
    wait_until(lambda: all(ticket.document for order in orders_of(system, expected) for ticket in order.tickets))
    for order in orders_of(system, expected):
        for ticket in order.tickets:
            assert system.context.documents.read(ticket.document or "").startswith(b"%PDF-")
    assert set(events_per_change(system).values()) == {1}
