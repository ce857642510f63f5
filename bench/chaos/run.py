"""A chaos run from its start to its history. It ends in bounded time, whatever happens."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from bench.chaos import orders
from bench.chaos.checks import JITTER
from bench.chaos.event_ledger import EventLedger
from bench.chaos.faults import PlannedFault, plan_faults
from bench.chaos.final_state import account_alerts, final_orders, messages_left, orders_left, read_stream, work_left
from bench.chaos.history import CallbackMessage, History, ProviderPush, read_ledger, visible_state
from bench.chaos.processes import ChaosDeployment, ProcessGroup
from bench.chaos.submitter import Submitter, path_of
from willcall.devtools.callback_receiver import CallbackReceiver, ReceivedCallback
from willcall.simulator.script import Script
from willcall.stores.connection import connect
from workers.broker import VISIBILITY_TIMEOUT

#: Settings for a run of minutes. The lease of an attempt is its longest exchange and 5 s: 8 s, with OAuth 14 s.
POLLING = {"initial": 0.7, "factor": 2, "cap": 5, "minimum": 0.3, "interval": [2, 4], "missing_grace": 15}
HEALTH = {"probe": [1, 2], "throttle_pause": 1}
HTTP = {"connect_timeout": 1, "read_timeout": 2.5, "total_timeout": 3}
SWEEPS = {"polls": 1, "notify": 1, "events": 1, "inbox": 2, "documents": 2, "expire": 2, "reconcile": 15, "grace": 3}
#: Seconds of a minute in the providers' webhook schedules: the fifth and last attempt is 15 s after the first.
PUSH_MINUTE = 1.0

#: The share of the run during which orders are submitted.
SUBMISSION_SHARE = 2 / 3
#: Seconds from submission to the deadline: the time to be ready, plus the longest delay by faults. That is the lease of
#: an attempt that was killed while it fetched documents (50 s), an outage of Redis, and the throttles that follow one
#: another while late orders are polled.
CEILING = 120.0
#: Seconds that the last orders may be late, and that the broker may take to become empty: messages of a killed worker
#: are restored after the visibility timeout.
LATE_LIMIT, DRAIN = 40.0, VISIBILITY_TIMEOUT + 20.0
#: Seconds that the work after an order's end may take: a killed worker holds the lease of a delivery (45 s) or of a
#: round of downloads (55 s).
FOLLOW_UP_LIMIT = 80.0
#: Seconds between two checks.
INTERVAL = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run. `resent` counts messages that the sweep sent again; `finished`: within the time limit."""

    history: History
    seconds: float
    started: float
    resent: int
    retries: int
    finished: bool
    folder: Path


def run(seed: int, minutes: float, count: int) -> Outcome:
    """Run, and leave a folder with all ledgers and logs."""
    folder, started = Path(mkdtemp(prefix=f"willcall-chaos-{seed}-")), time.time()
    scripts = orders.orders(seed, count)
    rates = orders.rates(count)
    tables = {
        f"{provider}/{account}": {
            "rate": rate.model_dump(exclude_none=True),
            "polling": {**POLLING, "ceiling": CEILING},
            "health": HEALTH,
            "http": HTTP,
        }
        for (provider, account), rate in rates.items()
    }
    script = Script(accounts=orders.accounts(count), jitter=JITTER, push_minute=PUSH_MINUTE)
    with (
        CallbackReceiver() as receiver,
        ChaosDeployment(folder, script, tables, callbacks=True, sweeps=SWEEPS) as deployment,
        _processes(deployment) as processes,
    ):
        deployment.wait_for_workers(2)
        deployment.wait_for_api()
        event_ledger = EventLedger(deployment.redis.url, folder / "events.jsonl")
        submitter = Submitter(deployment, receiver, scripts, minutes * 60 * SUBMISSION_SHARE)
        event_ledger.start()
        submitter.start()
        finished = _inject(processes, plan_faults(seed, minutes * 60), minutes * 60, submitter, event_ledger)
        with connect(deployment.redis.url) as redis:
            _await(lambda: not work_left(redis), FOLLOW_UP_LIMIT, processes)
            processes.stop("beat")
            _await(lambda: not messages_left(redis), DRAIN, processes)
            submitted = submitter.finish()
            processes.stop("api")
            left = messages_left(redis), orders_left(redis)
            ended, stream = final_orders(deployment, submitted), read_stream(redis)
            pushes, alerted = tuple(_push(entry) for entry in deployment.providers.pushes()), account_alerts(deployment)
        followed = event_ledger.finish()
        processes.stop("worker")
    history = History(
        submitted=submitted,
        final_orders=ended,
        requests=read_ledger(deployment.ledger),
        followed=followed,
        stream=stream,
        faults=tuple(sorted(processes.faults, key=lambda fault: fault.start)),
        exits=tuple(processes.exits),
        rates=rates,
        callbacks=tuple(_message(received) for received in receiver.received),
        pushes=pushes,
        alerts=alerted,
        messages=left[0],
        indexes=left[1],
    )
    seconds = time.time() - started
    return Outcome(history, seconds, started, _resent(folder / "worker.log"), submitter.retries, finished, folder)


@contextmanager
def _processes(deployment: ChaosDeployment) -> Iterator[ProcessGroup]:
    """Start the processes; on an error, none of them stays frozen or alive."""
    processes = ProcessGroup(deployment)
    try:
        yield processes
    except BaseException:
        processes.end_all()
        processes.kill_all()
        raise


def _inject(
    processes: ProcessGroup, faults: list[PlannedFault], seconds: float, submitter: Submitter, event_ledger: EventLedger
) -> bool:
    """Inject the planned faults, then wait; return whether every order ended as scripted within the limit."""
    started = time.monotonic()
    steps = [(fault.at, processes.begin, fault) for fault in faults] + [
        (fault.at + fault.lasts, processes.end, fault) for fault in faults
    ]
    steps.sort(key=lambda step: step[0])
    limit = max(seconds, seconds * SUBMISSION_SHARE + CEILING) + LATE_LIMIT
    ended, shown, count = 0, -1.0, submitter.count
    while (elapsed := time.monotonic() - started) < limit:
        while steps and steps[0][0] <= elapsed:
            _, act, fault = steps.pop(0)
            act(fault)
        processes.supervise()
        if elapsed - shown >= 1:
            shown = elapsed
            tried, latest = dict(submitter.submitted), dict(event_ledger.latest)
            ended = sum(latest.get(order.id) == order.expected for order in tried.values())
            _show(f"{elapsed:4.0f} s  {len(tried)}/{count} submitted  {ended} ended as scripted", processes)
            if ended == count and not steps:
                break
        time.sleep(INTERVAL)
    processes.end_all()
    sys.stderr.write("\n")
    return ended == count


def _await(done: Callable[[], bool], seconds: float, processes: ProcessGroup) -> None:
    """Wait without faults, for so many seconds at most."""
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        processes.supervise()
        time.sleep(0.5)


def _message(received: ReceivedCallback) -> CallbackMessage:
    order_id = received.path.removeprefix(path_of(""))
    event = received.event
    state = visible_state(event["data"]) if "data" in event else None
    return CallbackMessage(
        received.at, order_id, event.get("order_id", ""), received.id, received.verified, received.status, state
    )


def _push(entry: Mapping[str, Any]) -> ProviderPush:
    name = (entry["provider"], entry["account"], entry["reference"])
    return ProviderPush(name, entry["sent"], entry["attempt"], entry["status"], entry["accepted"])


def _show(progress: str, processes: ProcessGroup) -> None:
    last = f"last: {processes.faults[-1].kind}" if processes.faults else ""
    line = f"{progress}  {len(processes.faults)} faults  {len(processes.exits)} unexpected exits  {last}"
    sys.stderr.write(f"\r{line:<110}")
    sys.stderr.flush()


def _resent(log: Path) -> int:
    """Return how many messages the sweep `polls` sent again, according to the workers' log."""
    entries = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return sum(int(json.loads(entry).get("resent", 0)) for entry in entries if '"resent"' in entry)
