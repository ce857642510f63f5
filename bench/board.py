"""`python -m bench.board`: the load time of the order board's first page, and the CPU cost of live updates.

The API has one core, everything else the other. 100,000 orders wait at five accounts; 12,000 of them need attention,
10,000 were polled, and there are statistics of a day. Exit code 0 if the page and the updates are within their limits.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psutil
import requests

from bench.performance.machine import measured_core, use_driver_core
from bench.performance.orders import LONG, batches, payloads
from bench.performance.results import median
from bench.performance.speed import cpu
from bench.performance.systems import ACCOUNT
from bench.performance.waiting import create_waiting_orders
from willcall.devtools.local_deployment import LocalDeployment
from willcall.orders.model import Attention
from willcall.simulator.script import Script
from willcall.stores import keys
from willcall.stores.commits import Commit
from willcall.stores.connection import connect
from willcall.stores.listing import OrderFilter
from willcall.usecases.submit import submit_many

if TYPE_CHECKING:
    from willcall.usecases.context import Context

ORDERS, POLLED = 100_000, 10_000
#: Orders that need attention, by reason.
ATTENTION = {Attention.UNAUTHORIZED: 10_000, Attention.NOT_FOUND: 1_500, Attention.MALFORMED: 500}
ACCOUNTS = (ACCOUNT, "funtrips/default", "tixstock/default", "voordemensen/default", "paylogic/default")

#: Limits: seconds for the first page, and the share of a core for live updates.
MAX_SECONDS, MAX_SHARE = 0.3, 0.05
#: First pages, viewers, seconds that they watch, and changes per second meanwhile.
PAGES, VIEWERS, SECONDS, CHANGES = 20, 5, 30.0, 10


@dataclass(frozen=True, slots=True)
class Page:
    """One load of the first page: seconds, CPU seconds of the API, bytes."""

    seconds: float
    cpu: float
    size: int


def measure(orders: int) -> tuple[Sequence[Page], float, float]:
    """Return the first pages, that of a new process first, and the shares of a core without and with viewers."""
    accounts: dict[str, dict[str, object]] = {key: {} for key in ACCOUNTS}
    with (
        TemporaryDirectory(prefix="willcall-bench-") as folder,
        LocalDeployment(Path(folder), Script(), accounts) as deployment,
    ):
        _fill(deployment, orders)
        with measured_core():
            child = deployment.start_api()
        deployment.wait_for_api()
        api = psutil.Process(child.pid)
        pages = [_page(deployment, api) for _ in range(PAGES)]
        with _changing(deployment):
            alone = _share(api)
            with ExitStack() as viewers:
                for _ in range(VIEWERS):
                    viewers.enter_context(_viewer(deployment))
                watched = _share(api)
    return pages, alone, watched


def _fill(deployment: LocalDeployment, orders: int) -> None:
    context = deployment.context
    create_waiting_orders(context, range(POLLED))
    each = (orders - POLLED) // len(ACCOUNTS)
    for place, key in enumerate(ACCOUNTS):
        provider, _, account = key.partition("/")
        start = POLLED + place * each
        for some in batches(payloads(range(start, start + each), (LONG, 2 * LONG))):
            submit_many(context, [{**one, "provider": provider, "account": account} for one in some])
    cursor = None
    for attention, count in ATTENTION.items():
        cursor = _set_attention(context, attention, count * orders // ORDERS, cursor)
    _spread_counters(deployment)


def _set_attention(context: "Context", attention: Attention, count: int, cursor: str | None) -> str | None:
    """Make orders of one account need attention, as a poll would."""
    for _ in range(count // 500):
        page = context.stores.listing.page(OrderFilter(provider=ACCOUNT.partition("/")[0]), 500, cursor)
        for order in page.orders:
            context.stores.commits.write(Commit(order, replace(order, attention=attention), keep_schedule=True))
        cursor = page.next_cursor
    return cursor


def _spread_counters(deployment: LocalDeployment) -> None:
    """Copy the statistics of the current hour to the day before."""
    now = int(time.time())
    with connect(deployment.redis.url) as redis:
        for span, name, count in ((3_600, keys.stats_hour, 24), (60, keys.stats_minute, 15)):
            full = max(range(now // span - 5, now // span + 1), key=lambda at: redis.hlen(name(at)))
            for other in {now // span - ago for ago in range(count)} - {full}:
                redis.copy(name(full), name(other), replace=True)


def _page(deployment: LocalDeployment, api: psutil.Process) -> Page:
    """Load the first page over a new connection."""
    used, started = cpu(api), time.monotonic()
    answer = requests.get(deployment.api_url, timeout=30)
    seconds = time.monotonic() - started
    if answer.status_code != requests.codes.ok:
        raise RuntimeError(f"the board responds with {answer.status_code}")
    return Page(seconds, cpu(api) - used, len(answer.content))


@contextmanager
def _viewer(deployment: LocalDeployment) -> Iterator[None]:
    with requests.get(f"{deployment.api_url}/board/stream", stream=True, timeout=30) as answer:
        reading = threading.Thread(target=_read, args=(answer,), daemon=True)
        reading.start()
        yield


def _read(answer: requests.Response) -> None:
    with suppress(AttributeError, requests.RequestException):  # it is closed while it is read
        for _ in answer.iter_content(None):
            pass


@contextmanager
def _changing(deployment: LocalDeployment) -> Iterator[None]:
    """Submit orders all the time, so that every update has something new."""
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.wait(1 / CHANGES):
            number += 1
            order = {"id": f"new-{number}", "provider": "tiqets", "reference": f"9{number:07}"}
            submit_many(deployment.context, [order])

    changing = threading.Thread(target=change)
    changing.start()
    try:
        yield
    finally:
        stop.set()
        changing.join()


def _share(process: psutil.Process) -> float:
    """Measure the share of a core that a process takes."""
    used, started = cpu(process), time.monotonic()
    time.sleep(SECONDS)
    return (cpu(process) - used) / (time.monotonic() - started)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.board", description="The order board's cost.")
    parser.add_argument("--orders", type=int, default=ORDERS)
    orders = parser.parse_args().orders
    use_driver_core()
    pages, alone, watched = measure(orders)
    typical, slowest = median(page.seconds for page in pages), max(page.seconds for page in pages)
    live = watched - alone
    sys.stdout.write(
        f"over {orders:,} orders, {len(ACCOUNTS)} accounts\n"
        f"first page of a new process {pages[0].seconds * 1_000:4.0f} ms, {pages[0].cpu * 1_000:.0f} ms CPU\n"
        f"first page, median          {typical * 1_000:4.0f} ms, slowest {slowest * 1_000:.0f} ms, "
        f"{median(page.cpu for page in pages) * 1_000:.0f} ms CPU, {pages[0].size / 1_000:.0f} kB\n"
        f"{VIEWERS} viewers, {CHANGES} changes a second {watched:6.1%} of a core; {alone:.1%} without viewers\n"
    )
    sys.exit(0 if slowest < MAX_SECONDS and live < MAX_SHARE else 1)


if __name__ == "__main__":
    main()
