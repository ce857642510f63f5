"""One run from its start to its history. It ends in bounded time, whatever happens."""

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
from bench.chaos.history import CallbackMessage, History, ProviderPush, read_ledger
from bench.chaos.processes import ChaosDeployment, ProcessGroup
from bench.chaos.submitter import Submitter, path_of
from willcall.devtools.callback_receiver import CallbackReceiver, ReceivedCallback
from willcall.simulator.script import Script
from willcall.stores.connection import connect
from workers.broker import VISIBILITY_TIMEOUT

#: Polling that suits a run of minutes. The lease of an attempt is its longest exchange and 5 s: 8 s, with OAuth 14 s.
POLLING = {"initial": 0.7, "factor": 2, "cap": 5, "minimum": 0.3, "interval": [2, 4], "missing_grace": 15}
HEALTH = {"probe": [1, 2], "throttle_pause": 1}
HTTP = {"connect_timeout": 1, "read_timeout": 2.5, "total_timeout": 3}
SWEEPS = {"polls": 1, "notify": 1, "inbox": 2, "documents": 2, "expire": 2, "reconcile": 15, "grace": 3}
#: Seconds of a minute in the providers' schedules of repeated calls: the fifth call, 15 s after the first, is the last.
PUSH_MINUTE = 1.0

#: The share of the run in which orders come in.
SUBMISSION_SHARE = 2 / 3
#: Seconds from submission to the ceiling: the time to be ready, and the longest that the hits of a run can hold up,
#: which is the lease of an attempt that was killed while it fetched documents, 50 s, an outage of Redis, and the
#: throttles that follow one another while a line of late orders is worked off.
CEILING = 120.0
#: Seconds that the last orders may be late, and that the broker may take to become empty: what a killed worker had
#: fetched is given back after the visibility timeout.
LATE_LIMIT, DRAIN = 40.0, VISIBILITY_TIMEOUT + 20.0
#: Seconds that what follows an order's end may take: a killed worker keeps the lease of a delivery (45 s), or that of
#: a round for documents (55 s).
FOLLOW_UP_LIMIT = 80.0
#: Seconds between two looks.
INTERVAL = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known after a run. `revived`: messages that the sweep sent again. `finished`: before the limit."""

    history: History
    seconds: float
    started: float
    revived: int
    retries: int
    finished: bool
    folder: Path


def run(seed: int, minutes: float, count: int) -> Outcome:
    """Run it. The folder with all ledgers and logs stays."""
    folder, started = Path(mkdtemp(prefix=f"willcall-chaos-{seed}-")), time.time()
    scripts = orders.orders(seed, count)
    rates = orders.rates(count)
    tables = {
        f"{provider}/{account}": {
            "rate": rate.model_dump(),
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
        _playing(deployment) as cast,
    ):
        deployment.wait_for_workers(2)
        deployment.wait_for_api()
        follower = EventLedger(deployment.redis.url, folder / "events.jsonl")
        submitter = Submitter(deployment, receiver, scripts, minutes * 60 * SUBMISSION_SHARE)
        follower.start()
        submitter.start()
        finished = _play(cast, plan_faults(seed, minutes * 60), minutes * 60, submitter, follower)
        with connect(deployment.redis.url) as redis:
            _await(lambda: not work_left(redis), FOLLOW_UP_LIMIT, cast)
            cast.dismiss("beat")
            _await(lambda: not messages_left(redis), DRAIN, cast)
            submitted = submitter.finish()
            cast.dismiss("api")
            left = messages_left(redis), orders_left(redis)
            ended, stream = final_orders(deployment, submitted), read_stream(redis)
            pushes, alerted = tuple(_push(entry) for entry in deployment.providers.pushes()), account_alerts(deployment)
        followed = follower.finish()
        cast.dismiss("worker")
    history = History(
        submitted=submitted,
        final_orders=ended,
        requests=read_ledger(deployment.ledger),
        followed=followed,
        stream=stream,
        faults=tuple(sorted(cast.faults, key=lambda hit: hit.start)),
        exits=tuple(cast.exits),
        rates=rates,
        callbacks=tuple(_message(received) for received in receiver.received),
        pushes=pushes,
        alerts=alerted,
        messages=left[0],
        indexes=left[1],
    )
    seconds = time.time() - started
    return Outcome(history, seconds, started, _revived(folder / "worker.log"), submitter.retries, finished, folder)


@contextmanager
def _playing(deployment: ChaosDeployment) -> Iterator[ProcessGroup]:
    """The cast; whatever goes wrong, nothing of it stays frozen or alive."""
    cast = ProcessGroup(deployment)
    try:
        yield cast
    except BaseException:
        cast.end_all()
        cast.kill_all()
        raise


def _play(
    cast: ProcessGroup, blows: list[PlannedFault], seconds: float, submitter: Submitter, follower: EventLedger
) -> bool:
    """Strike as planned, then wait in calm; whether every order has ended as scripted before the limit."""
    started = time.monotonic()
    steps = [(blow.at, cast.begin, blow) for blow in blows] + [(blow.at + blow.lasts, cast.end, blow) for blow in blows]
    steps.sort(key=lambda step: step[0])
    limit = max(seconds, seconds * SUBMISSION_SHARE + CEILING) + LATE_LIMIT
    ended, shown, count = 0, -1.0, submitter.count
    while (elapsed := time.monotonic() - started) < limit:
        while steps and steps[0][0] <= elapsed:
            _, act, blow = steps.pop(0)
            act(blow)
        cast.supervise()
        if elapsed - shown >= 1:
            shown = elapsed
            tried, latest = dict(submitter.submitted), dict(follower.latest)
            ended = sum(latest.get(order.id) == order.expected for order in tried.values())
            _show(f"{elapsed:4.0f} s  {len(tried)}/{count} submitted  {ended} ended as scripted", cast)
            if ended == count and not steps:
                break
        time.sleep(INTERVAL)
    cast.end_all()
    sys.stderr.write("\n")
    return ended == count


def _await(done: Callable[[], bool], seconds: float, cast: ProcessGroup) -> None:
    """Wait in calm, for so long at most."""
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        cast.supervise()
        time.sleep(0.5)


def _message(received: ReceivedCallback) -> CallbackMessage:
    order_id = received.path.removeprefix(path_of(""))
    return CallbackMessage(
        received.at, order_id, received.event.get("order_id", ""), received.id, received.verified, received.status
    )


def _push(entry: Mapping[str, Any]) -> ProviderPush:
    name = (entry["provider"], entry["account"], entry["reference"])
    return ProviderPush(name, entry["sent"], entry["attempt"], entry["status"], entry["accepted"])


def _show(progress: str, cast: ProcessGroup) -> None:
    last = f"last: {cast.faults[-1].kind}" if cast.faults else ""
    line = f"{progress}  {len(cast.faults)} hits  {len(cast.exits)} died by themselves  {last}"
    sys.stderr.write(f"\r{line:<110}")
    sys.stderr.flush()


def _revived(log: Path) -> int:
    """Messages that the sweep `polls` sent again, by the workers' log."""
    lines = (line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if '"resent"' in line)
    return sum(int(json.loads(line).get("resent", 0)) for line in lines)
