"""One direction: fill with one release, start the other beside it, stop the first, and judge how every order ended."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from bench.chaos.event_ledger import UPDATES
from bench.chaos.final_state import messages_left, orders_left, read_stream
from bench.upgrade.releases import CURRENT, Release
from bench.upgrade.scenario import ACCOUNTS, HEALTH, POLLING, SWEEPS, WIDE, Scenario, StagedOrder, account_scripts
from bench.upgrade.state_dump import dump
from tasks.queues import NOTIFY, SUBMIT
from willcall.devtools.callback_receiver import CallbackReceiver
from willcall.devtools.embedded_redis import free_port
from willcall.devtools.local_deployment import ChildProcess, LocalDeployment, webhook_token
from willcall.simulator.script import Script
from willcall.stores import keys
from willcall.stores.connection import connect
from willcall_client import Client

#: Seconds that a stage may take to be reached, that both releases work beside each other, and until all is done.
FILL_LIMIT, BESIDE, END_LIMIT = 25.0, 6.0, 120.0
#: Seconds that a stopped process may take, and how often something is looked at.
STOP_LIMIT, INTERVAL = 30.0, 0.25
#: Seconds by which a busy machine may delay one request more than another.
JITTER = 1.0
_HTTP = {"connect_timeout": 2, "read_timeout": 5, "total_timeout": 8}
_UNKNOWN_TASK = "tasks.of_no_release"


@dataclass(slots=True)
class Running:
    """The processes of one release, with the address of its API."""

    release: Release
    processes: Sequence[ChildProcess]
    api_url: str


class Upgrade(LocalDeployment):
    """A deployment whose processes are of the release that is set."""

    def __init__(self, folder: Path, scenario: Scenario, receiver: CallbackReceiver) -> None:
        tables = {
            key: {"rate": WIDE, "polling": POLLING, "health": HEALTH, "http": _HTTP, **given}
            for key, given in ACCOUNTS.items()
        }
        script = Script(accounts=account_scripts(), jitter=JITTER)
        super().__init__(folder, script, tables, callbacks=True, launch=self._launch_release, sweeps=SWEEPS)
        self.scenario, self.receiver = scenario, receiver
        self.release: Release | None = None

    def run_release(self, release: Release) -> Running:
        """Start a worker, a beat and an API of a release, and wait until the API is ready."""
        self.release, self.api_port = release, free_port()
        worker, beat = self.start("worker", "--concurrency", "8"), self.start("beat")
        running = Running(release, (worker, beat, self.start_api()), self.api_url)
        self.wait_for_api()
        for provider in ("tixstock", "tiqets"):
            key = f"{provider}/default"
            url = f"{self.api_url}/webhooks/{key}/{webhook_token(key)}"
            self.providers.update_account(provider, webhook_url=url)
        return running

    def stop(self, running: Running) -> None:
        """Stop the processes of a release, as a supervisor does."""
        for process in running.processes:
            process.terminate()
        for process in running.processes:
            process.wait(STOP_LIMIT)
            self._processes.remove(process)

    def submit(self, url: str, orders: Sequence[StagedOrder]) -> None:
        """Submit orders to an API."""
        with Client(url) as client:
            for order in orders:
                client.submit(
                    order.script.provider,
                    order.script.reference,
                    id=order.id,
                    account=order.script.account,
                    quantity=order.script.quantity,
                    callback_url=self.receiver.url(f"/{order.id}"),
                )

    def _launch_release(
        self, command: Sequence[str], environment: Mapping[str, str], _folder: Path, log: Path
    ) -> ChildProcess:
        if self.release is None:
            raise ValueError("no release was set")
        return self.release.launch(command, environment, log)


def run(first: Release, second: Release, folder: Path, scenario: Scenario) -> list[str]:
    """Go from one release to the other. Returns what went wrong."""
    with (
        CallbackReceiver() as receiver,
        Upgrade(folder, scenario, receiver) as system,
        connect(system.redis.url) as redis,
    ):
        before = system.run_release(first)
        _fill(system, before)
        problems = _await_stages(redis)
        after = system.run_release(second)
        _work_beside(system, before, after)
        system.stop(before)
        _leave_stages(system, after)
        _await(lambda: _ended(system, redis), END_LIMIT)
        system.stop(after)
        return [*problems, *_judge(system, redis)]


def dump_state(release: Release, folder: Path, scenario: Scenario, path: Path) -> list[str]:
    """Write the state of a release with orders in every stage to a file. Returns what is missing."""
    with CallbackReceiver() as receiver, Upgrade(folder, scenario, receiver) as system:
        running = system.run_release(release)
        _fill(system, running)
        with connect(system.redis.url) as redis:
            problems = _await_stages(redis)
        system.stop(running)
        with Redis.from_url(system.redis.url) as raw:
            dump(raw, path, accounts=sorted(ACCOUNTS), orders={one.id: one.stage for one in scenario.orders})
        return problems


def _fill(system: Upgrade, running: Running) -> None:
    """Submit the orders, and make the troubles that keep some of them in their stage."""
    orders = [order for order in system.scenario.orders if not order.later]
    system.providers.update_account("tiqets", "parked", revoked=True)
    for order in orders:
        if order.stage == "undelivered":
            system.receiver.script(503, path=f"/{order.id}")
    pushed = [order for order in system.scenario.orders if order.stage == "pushed-ahead"]
    system.providers.add_orders([order.script for order in [*orders, *pushed]])
    with Client(running.api_url) as client:
        client.pause("voordemensen")
    system.submit(running.api_url, orders)
    system.app.send_task(_UNKNOWN_TASK, queue=SUBMIT)


def _await_stages(redis: Redis) -> list[str]:
    """Wait until each stage has what it is there for. Returns those that have nothing."""
    found: dict[str, int] = {}

    def complete() -> bool:
        found.update(_stages(redis))
        return all(found.values())

    _await(complete, FILL_LIMIT)
    return [f"nothing was ever {stage}: the check proves less than it should" for stage, n in found.items() if not n]


def _stages(redis: Redis) -> dict[str, int]:
    """Return how many things are in each stage."""

    def account(name: str, field: str) -> str:
        return str(redis.hget(keys.account(name), field) or "")

    return {
        "waiting": redis.zcard(keys.due("tiqets/default")),
        "booked": redis.zcard(keys.bookings("tiqets/booked")),
        "throttled": int(float(redis.hget(keys.tokens("tiqets/throttled"), "blocked") or 0)),
        "held by a pause": redis.zcard(keys.held("voordemensen/default")),
        "held by a rejected key": redis.zcard(keys.held("tiqets/parked")) * (account("tiqets/parked", "state") != "ok"),
        "partial": redis.zcard(keys.index("tixstock/default", "partial")),
        "an undelivered callback": redis.zcard(keys.DELIVERIES_DUE),
        "a push ahead of its order": redis.zcard(keys.INBOX),
        "a missing document": redis.zcard(keys.FETCHES_DUE),
        "expired with a late check": redis.zcard(keys.LATE),
        "final": redis.zcard(keys.FINAL),
        "a delayed message": redis.zcard(keys.delayed_messages("willcall.poll.tiqets")),
        "a dead letter": redis.xlen(keys.DEAD_LETTERS),
    }


def _work_beside(system: Upgrade, before: Running, after: Running) -> None:
    """Submit to both releases while both work."""
    later = [order for order in system.scenario.orders if order.later]
    new = [order for order in later if order.stage != "pushed-ahead"]
    system.providers.add_orders([order.script for order in new])
    for number, order in enumerate(later):
        system.submit((before, after)[number % 2].api_url, [order])
    time.sleep(BESIDE)


def _leave_stages(system: Upgrade, running: Running) -> None:
    """End what keeps orders in their stage."""
    system.providers.update_account("tiqets", "parked", revoked=False)
    for order in system.scenario.orders:
        if order.stage == "undelivered":
            system.receiver.script(200, path=f"/{order.id}")
    with Client(running.api_url) as client:
        client.resume("voordemensen")
        for order in system.scenario.orders:
            if order.stage == "undelivered":
                client.redeliver(order.id)


def _ended(system: Upgrade, redis: Redis) -> bool:
    stored = system.context.stores.orders.get_many([order.id for order in system.scenario.orders])
    as_scripted = [
        order is not None and order.status.value == staged.events[-1]
        for order, staged in zip(stored, system.scenario.orders, strict=True)
    ]
    indexes = [
        keys.DELIVERIES_DUE,
        keys.FETCHES_DUE,
        keys.INBOX,
        *([keys.CHANGES] if _looks_at_changes(system) else []),
    ]
    return all(as_scripted) and not any(map(redis.zcard, indexes))


def _looks_at_changes(system: Upgrade) -> bool:
    """Return whether the release that is left looks at changes of orders, and so sends updates that waited."""
    return system.release is CURRENT


def _judge(system: Upgrade, redis: Redis) -> list[str]:
    """Return every order that did not end as scripted, every event that was lost or doubled, and what is left."""
    events: dict[str, list[tuple[str, str]]] = {}
    for event in read_stream(redis):
        if event.sent:
            events.setdefault(event.order_id, []).append((event.id, event.type.removeprefix("order.")))
    problems = []
    for order in system.scenario.orders:
        stored, mine = system.context.stores.orders.get(order.id), events.get(order.id, [])
        if stored is None or stored.status.value != order.events[-1]:
            problems.append(f"{order.id}: is {stored and stored.status.value}, not {order.events[-1]}")
        statuses = tuple(kind for _, kind in mine if f"order.{kind}" not in UPDATES)
        if statuses != order.events:
            problems.append(f"{order.id}: has the events {list(statuses)}, not {list(order.events)}")
        if stored and any(t.kind == "pdf" and not t.document for t in stored.tickets):
            problems.append(f"{order.id}: lacks a document")
        unsent = () if _looks_at_changes(system) else mine
        updates = frozenset(event for event, kind in unsent if f"order.{kind}" in UPDATES)
        problems += judge_callbacks(system.receiver, order.id, [event for event, _ in mine], updates)
    verdict = system.providers.verdict()
    if not verdict["ok"]:
        problems.append(f"the providers complain: {verdict['faults']}")
    left = _left(system, redis)
    if left:
        problems.append(f"left over: {left}")
    if redis.xlen(keys.DEAD_LETTERS) != 1:
        problems.append(f"{redis.xlen(keys.DEAD_LETTERS)} dead letters instead of 1")
    return problems


def _left(system: Upgrade, redis: Redis) -> dict[str, int]:
    left = {**messages_left(redis), **orders_left(redis)}
    # The retries of callbacks that `redeliver` brought forward are stale, and wait for their time.
    left.pop(keys.delayed_messages(NOTIFY), None)
    if not _looks_at_changes(system):
        left.pop(keys.CHANGES, None)
    return left


def judge_callbacks(
    receiver: CallbackReceiver, order_id: str, events: list[str], updates: frozenset[str] = frozenset()
) -> list[str]:
    """Return what is wrong with an order's callbacks: the last event accepted, none twice, none of another id.

    Release 0.2.0 does not send `updates` that wait behind the event of a status.
    """
    received = [one for one in receiver.received if one.path == f"/{order_id}"]
    accepted = [one.id for one in received if one.status == 200]
    problems = []
    if not all(one.verified for one in received):
        problems.append(f"{order_id}: a callback has a wrong signature")
    last = max((place for place, event in enumerate(events) if event not in updates), default=0)
    if not events or accepted[-1:] not in [[event] for event in events[last:]]:
        problems.append(f"{order_id}: its last event was not delivered last: {accepted} of {events}")
    if len(accepted) != len(set(accepted)) or not set(accepted) <= set(events):
        problems.append(f"{order_id}: callbacks were doubled or are of no event: {accepted} of {events}")
    return problems


def _await(condition: Callable[[], Any], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(INTERVAL)
    return True
