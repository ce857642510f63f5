"""How many orders a second are taken, one by one and in batches: state, indexes and first message of each."""

from collections.abc import Mapping

from bench.performance import cores
from bench.performance.contestants import Load, PlainCelery, Poller, Willcall
from bench.performance.orders import LONG
from bench.performance.results import Submission


def measure(rounds: int, singles: int, batched: int) -> Mapping[str, Submission]:
    """Each takes in turn `singles` orders one by one, then `batched` in batches; no worker runs."""
    taken = {each.name: Submission([], []) for each in (Willcall, PlainCelery)}
    load = Load(orders=0, threads=1, latency=0)
    with Willcall(load) as ours, PlainCelery(load) as theirs:
        for number in range(rounds):
            first = number * (singles + batched)
            for poller in (ours, theirs):
                submission = taken[poller.name]
                submission.one_by_one.append(_rate(poller, range(first, first + singles), batch=False))
                rest = range(first + singles, first + singles + batched)
                submission.batch.append(_rate(poller, rest, batch=True))
    return taken


def _rate(poller: Poller, numbers: range, *, batch: bool) -> float:
    """Orders per second, by a process on the measured core."""
    with cores.measured_core():
        return len(numbers) / poller.hand_in(numbers, (LONG, LONG), batch=batch)
