"""The memory of waiting orders, and the lateness of polls at half load while many others wait.

`python -m bench.performance.waiting` creates orders for this: they have been polled once and wait for the next poll. It
uses the product's own use cases, but without HTTP, as a worker would take minutes for a hundred thousand.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psutil

from bench.performance.machine import measured_core
from bench.performance.orders import LONG, batches, payloads
from bench.performance.results import Waiting, by_window
from bench.performance.systems import ACCOUNT, Load, PlainCelery, PollingSystem, Willcall, wait_until
from willcall.config import load
from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Malformed, Unavailable
from willcall.providers.base import Account
from willcall.stores.dead_letters import DeadLetter
from willcall.stores.messages import PollMessage
from willcall.usecases.context import Context
from willcall.usecases.poll_once import poll_once
from willcall.usecases.submit import submit_many
from workers.app import create_app

#: Seconds after which a worker is idle, or warmed up.
REST = 4.0
#: Waiting orders before memory is measured first, so that everything is loaded by then.
FIRST = 100
#: Threads of the worker, and seconds until the provider responds.
THREADS, LATENCY = 64, 0.1
WINDOWS = 3
#: Seconds that the baseline's worker may take to fetch all messages.
LONGEST_FILL = 600.0


def willcall(orders: int, rate: float, seconds: float) -> Waiting:
    """Measure Willcall. `rate` is polls per second of orders that do not wait, `seconds` the length of a window."""
    with Willcall(_load(rate)) as ours:
        worker = ours.start()
        ours.deployment.wait_for_workers(1)
        return _measure(ours, worker, orders, seconds, fill=lambda numbers: _create(ours, numbers))


def plain_celery(orders: int, rate: float, seconds: float) -> Waiting:
    """Measure the baseline, whose worker holds all orders once it has fetched their messages."""
    with PlainCelery(_load(rate)) as theirs:
        worker = theirs.start()

        def fill(numbers: range) -> None:
            theirs.submit(numbers, (LONG, LONG))
            fetched = numbers.stop - theirs.load.orders
            wait_until(lambda: theirs.redis.hlen("unacked") >= fetched, "all messages in the worker", LONGEST_FILL)

        return _measure(theirs, worker, orders, seconds, fill)


def _load(rate: float) -> Load:
    """Return the load whose orders are polled at this rate: each after the latency and its countdown."""
    return Load(round(rate * (1 + LATENCY)), THREADS, LATENCY)


def _measure(
    poller: PollingSystem, worker: psutil.Process, orders: int, seconds: float, fill: Callable[[range], None]
) -> Waiting:
    """Measure memory before and after the orders are there, then the lateness of others."""
    polled = range(poller.load.orders)
    fill(range(polled.stop, polled.stop + FIRST))
    before = _memory(poller, worker)
    fill(range(polled.stop + FIRST, polled.stop + orders))
    after = _memory(poller, worker)
    worker_bytes, redis_bytes = ((now - then) / (orders - FIRST) for now, then in zip(after, before, strict=True))
    poller.submit(polled, (0.1, poller.load.countdown))
    time.sleep(REST)
    opened = time.time()
    time.sleep(WINDOWS * seconds + 1)
    attempts = [attempt for number in polled for attempt in poller.attempts(number)]
    late = by_window(attempts, opened, seconds, WINDOWS)
    rate = sum(map(len, late)) / (WINDOWS * seconds)
    return Waiting(orders, worker_bytes, redis_bytes, rate, late)


def _memory(poller: PollingSystem, worker: psutil.Process) -> tuple[int, int]:
    """Return the bytes of the worker and of Redis once they are idle."""
    time.sleep(REST)
    while (memory := poller.redis.info())["aof_rewrite_in_progress"]:
        time.sleep(0.5)
    return worker.memory_info().rss, memory["used_memory"]


def _create(ours: Willcall, numbers: range) -> None:
    """Create waiting orders with two processes, one on each core."""
    halves = (numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :])
    creators = [_start_creator(ours, halves[0])]
    with measured_core():
        creators.append(_start_creator(ours, halves[1]))
    for creator in creators:
        if creator.wait():
            raise RuntimeError("the waiting orders could not be created")


def _start_creator(ours: Willcall, numbers: range) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "bench.performance.waiting", "--first", str(numbers.start)]
    return subprocess.Popen([*command, "--count", str(len(numbers))], env=ours.deployment.environment)


NOT_READY = b'{"success": true, "order_status": "pending", "tickets_pdf_url": null}'


class CannedTransport:
    """A transport whose every response says that there are no tickets yet."""

    def exchange(self, account: Account, request: Request) -> Response | Unavailable | Malformed:  # noqa: ARG002
        return Response(200, {"content-type": "application/json"}, NOT_READY, received_at=time.time())


class DiscardingSender:
    """A sender that drops all messages."""

    def send_polls(self, account: str, messages: list[PollMessage], now: float) -> None:
        pass

    def send_task(self, name: str, args: Sequence[Any], countdown: float = 0.0) -> None:
        pass

    def start_sweep(self, name: str) -> None:
        pass

    def requeue(self, letter: DeadLetter) -> None:
        pass


def create_waiting_orders(context: Context, numbers: range) -> None:
    """Submit orders, poll each once, and send the message of its next poll."""
    for some in batches(payloads(numbers, (0.0, 0.0))):
        submit_many(replace(context, sender=DiscardingSender()), [{**each, "delivery": "delayed"} for each in some])
        polling = replace(context, http=CannedTransport())
        polled = [poll_once(polling, each["id"], 1, ACCOUNT) for each in some]
        context.send_polls(ACCOUNT, [each.next_message[0] for each in polled if each.next_message])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.performance.waiting")
    for name in ("first", "count"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    create_waiting_orders(create_app(load()).willcall, range(given.first, given.first + given.count))


if __name__ == "__main__":
    main()
