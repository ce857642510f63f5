"""The main job end to end on this machine, against simulated providers.

Starts Redis, the five providers, a worker, beat, the API and a backend; submits orders of every kind over HTTP; shows
their progress; ends by itself with what came of them, what the backend was told, and the providers' own account of how
they were asked.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.live import Live

from willcall.devtools.callback_receiver import Received, Receiver
from willcall.devtools.demo_deployment import demo_stage, start_processes, submit_orders
from willcall.devtools.demo_tables import progress_table, summary_table, verdict_panel
from willcall.devtools.local_deployment import Stage
from willcall.orders.model import Attempt, Order
from willcall.simulator.demo_script import demo_script
from willcall.simulator.script import OrderScript

#: Seconds after which the demo gives up on orders that have not ended as scripted.
LONGEST = 150.0


@dataclass(frozen=True, slots=True)
class Run:
    """How the orders stand: the orders, their timelines and how each should end, by id; what the backend was sent."""

    orders: Mapping[str, Order]
    timelines: Mapping[str, list[Attempt]]
    expected: Mapping[str, str]
    callbacks: Sequence[Received]

    @property
    def unlike(self) -> list[Order]:
        """The orders that have not ended as scripted, yet."""
        return [order for order in self.orders.values() if order.status != self.expected[order.id]]

    @property
    def untold(self) -> list[str]:
        """The orders of whose end the backend has not been told, yet."""
        taken = [each.event for each in self.callbacks if each.verified and each.status == HTTPStatus.OK]
        told = {event["order_id"]: event["data"]["status"] for event in taken}
        return [order_id for order_id, status in self.expected.items() if told.get(order_id) != status]


def run_demo(seed: int, svg: Path | None, keep: Path | None) -> bool:
    """Run it and show what came of it; whether all went as scripted.

    `svg` gets a picture of the end, `keep` all that the processes wrote and, in `issued.json`, what of the providers
    may not stand in their logs.
    """
    console = Console(record=svg is not None, width=110 if svg else None)
    script = demo_script(seed=seed)
    with (
        _folder(keep) as folder,
        Receiver() as backend,
        demo_stage(folder, script) as stage,
    ):
        with console.status("Starting Redis, five providers, a worker, beat, the API and a backend ..."):
            start_processes(stage)
        run = _fulfil(stage, backend, script.orders, console)
        verdict, pushes = stage.providers.verdict(), stage.providers.pushes()
        changes = sum(1 for _ in stage.context.stores.events.after(None, 10_000))
        if keep:
            (keep / "issued.json").write_text(json.dumps(stage.providers.issued()), encoding="utf-8")
    console.print(summary_table(run, verdict))
    console.print(verdict_panel(run, verdict, changes, pushes))
    if svg:
        drawn = console.export_svg(title="make demo")
        # A picture of the documentation loads no font from another host.
        svg.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL), encoding="utf-8")
    return not run.unlike and not run.untold and bool(verdict["ok"])


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """A folder to work in: one that stays, or goes with the block."""
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
    else:
        with TemporaryDirectory(prefix="willcall-demo-") as folder:
            yield Path(folder)


def _fulfil(stage: Stage, backend: Receiver, orders: tuple[OrderScript, ...], console: Console) -> Run:
    expected = submit_orders(stage, backend, orders)
    started = time.monotonic()
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while True:
            run = _look(stage, backend, expected)
            elapsed = time.monotonic() - started
            live.update(progress_table(run, elapsed))
            if not (run.unlike or run.untold) or elapsed > LONGEST:
                return run
            time.sleep(0.25)


def _look(stage: Stage, backend: Receiver, expected: Mapping[str, str]) -> Run:
    store = stage.context.stores.orders
    orders = {order.id: order for order in store.get_many(list(expected)) if order}
    timelines = {order_id: store.timeline(order_id) for order_id in orders}
    return Run(orders, timelines, expected, tuple(backend.received))
