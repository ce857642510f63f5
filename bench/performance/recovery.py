"""How orders go on after kill -9 of the only worker, counted by what the provider sees."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from bench.performance.contestants import Load, PlainCelery, Poller, Willcall
from bench.performance.orders import reference
from bench.performance.results import Recovery

#: Evenly spread: 67 orders are due each second, about 33 are being asked for at any time.
LOAD = Load(orders=2_000, threads=64, latency=0.5, countdown=30.0)
#: Seconds that a worker has beyond the first countdown before it is killed: all orders have been polled by then.
BEFORE = 4.0


@dataclass(frozen=True, slots=True)
class Killed:
    """A contestant without a worker: when that began, and when each order is due (epoch seconds)."""

    poller: Poller
    at: float
    due: Mapping[int, float]


def measure(patience: float, load: Load = LOAD) -> Mapping[str, Recovery]:
    """Both at the same time; `patience` is how many seconds orders are waited for."""
    with ExitStack() as stack:
        pollers: list[Poller] = [stack.enter_context(Willcall(load)), stack.enter_context(PlainCelery(load))]
        for poller in pollers:
            poller.start()
            if isinstance(poller, Willcall):
                poller.deployment.start("beat")
        for poller in pollers:
            poller.hand_in(range(load.orders), (1.0, 1.0 + load.countdown))
        time.sleep(load.countdown + BEFORE)
        killed = [_kill(poller) for poller in pollers]
        started = [_start(each.poller) for each in killed]
        time.sleep(patience)
        return {each.poller.name: _recovery(each, at, patience) for each, at in zip(killed, started, strict=True)}


def _kill(poller: Poller) -> Killed:
    poller.kill()
    at = time.time()
    return Killed(poller, at, {number: poller.due(number) for number in range(poller.load.orders)})


def _start(poller: Poller) -> float:
    at = time.time()
    poller.start()
    return at


def _recovery(killed: Killed, started: float, patience: float) -> Recovery:
    """Compare with the first requests after the start."""
    asked: dict[str, float] = {}
    for entry in killed.poller.deployment.providers.ledger():
        if started < entry["arrived"] < started + patience:
            asked.setdefault(entry["reference"], entry["arrived"])
    waiting: list[float | None] = []
    in_flight: list[float | None] = []
    for number, due in killed.due.items():
        again = asked.get(reference(number))
        waited = None if again is None else again - max(started, due)
        (waiting if due > killed.at else in_flight).append(waited)
    return Recovery(patience, waiting, in_flight)
