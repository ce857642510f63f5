"""How soon orders are polled again after kill -9 of the only worker, as seen by the provider."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from bench.performance.orders import reference
from bench.performance.results import Recovery
from bench.performance.systems import Load, PlainCelery, PollingSystem, Willcall

#: 67 orders are due every second, evenly spread; about 33 requests are under way at any time.
LOAD = Load(orders=2_000, threads=64, latency=0.5, countdown=30.0)
#: Seconds between the first countdown and the kill, so that all orders have been polled by then.
BEFORE = 4.0


@dataclass(frozen=True, slots=True)
class KilledSystem:
    """A system whose worker was killed, when that was, and when each order is due (epoch seconds)."""

    poller: PollingSystem
    at: float
    next_due: Mapping[int, float]


def measure(patience: float, load: Load = LOAD) -> Mapping[str, Recovery]:
    """Measure both systems at the same time, for `patience` seconds after the new worker starts."""
    with ExitStack() as stack:
        pollers: list[PollingSystem] = [stack.enter_context(Willcall(load)), stack.enter_context(PlainCelery(load))]
        for poller in pollers:
            poller.start()
            if isinstance(poller, Willcall):
                poller.deployment.start("beat")
        for poller in pollers:
            poller.submit(range(load.orders), (1.0, 1.0 + load.countdown))
        time.sleep(load.countdown + BEFORE)
        killed = [_kill(poller) for poller in pollers]
        started = [_start(each.poller) for each in killed]
        time.sleep(patience)
        return {each.poller.name: _recovery(each, at, patience) for each, at in zip(killed, started, strict=True)}


def _kill(poller: PollingSystem) -> KilledSystem:
    poller.kill()
    at = time.time()
    return KilledSystem(poller, at, {number: poller.next_due(number) for number in range(poller.load.orders)})


def _start(poller: PollingSystem) -> float:
    at = time.time()
    poller.start()
    return at


def _recovery(killed: KilledSystem, started: float, patience: float) -> Recovery:
    """Compare due times with the first requests after the start."""
    polled: dict[str, float] = {}
    for entry in killed.poller.deployment.providers.ledger():
        if started < entry["arrived"] < started + patience:
            polled.setdefault(entry["reference"], entry["arrived"])
    waiting: list[float | None] = []
    in_flight: list[float | None] = []
    for number, due in killed.next_due.items():
        again = polled.get(reference(number))
        waited = None if again is None else again - max(started, due)
        (waiting if due > killed.at else in_flight).append(waited)
    return Recovery(patience, waiting, in_flight)
