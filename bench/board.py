"""`python -m bench.board`: how soon the order board's first page is there, and what live updates cost.

The API has one core, everything else the other. 100,000 orders wait at five accounts, and 12,000 of them need a person.
10,000 were polled, and a day of such hours was counted. Exit code 0 only if the first page is there soon enough, and
updates cost little enough.
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
from willcall.stores.listing import OrderQuery
from willcall.usecases.submit import submit_many

if TYPE_CHECKING:
    from willcall.usecases.context import Context

ORDERS, POLLED = 100_000, 10_000
#: Orders that need a person, by reason.
NEEDY = {Attention.UNAUTHORIZED: 10_000, Attention.NOT_FOUND: 1_500, Attention.MALFORMED: 500}
ACCOUNTS = (ACCOUNT, "funtrips/default", "tixstock/default", "voordemensen/default", "paylogic/default")

#: Seconds in which the first page must be there, and the share of a core that live updates may take.
FIRST_PAGE, LIVE = 0.3, 0.05
#: First pages; people who watch, for how long (seconds), and how often something changes meanwhile (a second).
PAGES, VIEWERS, WATCHED, CHANGES = 20, 5, 30.0, 10


@dataclass(frozen=True, slots=True)
class Page:
    """One first page: seconds until it was there, CPU seconds of the API, bytes."""

    seconds: float
    cpu: float
    size: int


def measure(orders: int) -> tuple[Sequence[Page], float, float]:
    """First pages, the first of a new process among them; shares of a core while nobody and while some watch."""
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
    for attention, count in NEEDY.items():
        cursor = _need_a_person(context, attention, count * orders // ORDERS, cursor)
    _spread_counters(deployment)


def _need_a_person(context: "Context", attention: Attention, count: int, cursor: str | None) -> str | None:
    """Orders of one account that need a person, as an attempt would have left them."""
    for _ in range(count // 500):
        page = context.stores.listing.page(OrderQuery(provider=ACCOUNT.partition("/")[0]), 500, cursor)
        for order in page.orders:
            context.stores.commits.write(Commit(order, replace(order, attention=attention), keep_schedule=True))
        cursor = page.next_cursor
    return cursor


def _spread_counters(deployment: LocalDeployment) -> None:
    """Have the day before been like the hour that was filled."""
    now = int(time.time())
    with connect(deployment.redis.url) as redis:
        for span, name, count in ((3_600, keys.stats_hour, 24), (60, keys.stats_minute, 15)):
            full = max(range(now // span - 5, now // span + 1), key=lambda at: redis.hlen(name(at)))
            for other in {now // span - ago for ago in range(count)} - {full}:
                redis.copy(name(full), name(other), replace=True)


def _page(deployment: LocalDeployment, api: psutil.Process) -> Page:
    """A first page over a connection of its own."""
    used, started = cpu(api), time.monotonic()
    answer = requests.get(deployment.api_url, timeout=30)
    seconds = time.monotonic() - started
    if answer.status_code != requests.codes.ok:
        raise RuntimeError(f"the board answers {answer.status_code}")
    return Page(seconds, cpu(api) - used, len(answer.content))


@contextmanager
def _viewer(deployment: LocalDeployment) -> Iterator[None]:
    """Someone who watches the board."""
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
    """Orders come in all the while, so that every look finds something new."""
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.wait(1 / CHANGES):
            number += 1
            wish = {"id": f"new-{number}", "provider": "tiqets", "reference": f"9{number:07}"}
            submit_many(deployment.context, [wish])

    changing = threading.Thread(target=change)
    changing.start()
    try:
        yield
    finally:
        stop.set()
        changing.join()


def _share(process: psutil.Process) -> float:
    """The share of a core that a process takes for a while."""
    used, started = cpu(process), time.monotonic()
    time.sleep(WATCHED)
    return (cpu(process) - used) / (time.monotonic() - started)


def main() -> None:
    """Measure and judge."""
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
    sys.exit(0 if slowest < FIRST_PAGE and live < LIVE else 1)


if __name__ == "__main__":
    main()
