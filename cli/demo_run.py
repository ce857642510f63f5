"""The main job end to end on this machine, against simulated providers.

Starts Redis, the five providers, a worker and beat; submits orders of every kind; shows their progress; ends by
itself with what came of them and with the providers' own account of how they were asked.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.live import Live

from cli.demo_tables import progress_table, summary_table, verdict_panel
from cli.stage import Stage
from simulator.demo_script import RATES, demo_script
from simulator.script import OrderScript, Script
from willcall.orders.model import Attempt, Order
from willcall.usecases.submit import submit

#: Seconds after which the demo gives up on orders that have not ended as scripted.
LONGEST = 75.0
#: Polling that suits a run of seconds; the providers' own minimum and hints hold all the same.
POLLING = {"initial": 0.5, "cap": 3, "minimum": 0.2, "interval": [2, 3], "ceiling": 30, "missing_grace": 10}
HEALTH = {"probe": [1, 5], "throttle_pause": 2}
SWEEPS = {"revive": 2, "expire": 2, "reconcile": 3, "grace": 5}


@dataclass(frozen=True, slots=True)
class Run:
    """How the orders stand: the orders, their timelines and how each should end, by id."""

    orders: Mapping[str, Order]
    timelines: Mapping[str, list[Attempt]]
    expected: Mapping[str, str]

    @property
    def unlike(self) -> list[Order]:
        """The orders that have not ended as scripted, yet."""
        return [order for order in self.orders.values() if order.status != self.expected[order.id]]


def run_demo(seed: int, svg: Path | None) -> bool:
    """Run it and show what came of it; whether all went as scripted. `svg` gets a picture of the end."""
    console = Console(record=svg is not None, width=110 if svg else None)
    script = demo_script(seed=seed)
    accounts = {
        f"{provider}/{account}": {
            "rate": {"limit": limit, "period": 1, "burst": limit},
            "polling": POLLING,
            "health": HEALTH,
        }
        for (provider, account), limit in RATES.items()
    }
    with (
        TemporaryDirectory(prefix="willcall-demo-") as folder,
        Stage(Path(folder), Script(accounts=script.accounts, jitter=script.jitter), accounts, sweeps=SWEEPS) as stage,
    ):
        with console.status("Starting Redis, five providers, a worker and beat ..."):
            stage.start("worker")
            stage.start("beat")
            stage.wait_for_workers(1)
        run = _fulfil(stage, script.orders, console)
        verdict = stage.providers.verdict()
        changes = sum(1 for _ in stage.context.stores.events.after(None, 10_000))
    console.print(summary_table(run, verdict))
    console.print(verdict_panel(run, verdict, changes))
    if svg:
        svg.write_text(console.export_svg(title="make demo"), encoding="utf-8")
    return not run.unlike and bool(verdict["ok"])


def _fulfil(stage: Stage, orders: tuple[OrderScript, ...], console: Console) -> Run:
    stage.providers.add_orders(orders)
    expected: dict[str, str] = {}
    for number, order in enumerate(orders, 1):
        payload = {
            "id": f"demo-{number:03}",
            "provider": order.provider,
            "account": order.account,
            "reference": order.reference,
            "quantity": order.quantity,
        }
        expected[submit(stage.context, payload).order_id] = order.expected
    started = time.monotonic()
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while True:
            run = _look(stage, expected)
            elapsed = time.monotonic() - started
            live.update(progress_table(run, elapsed))
            if not run.unlike or elapsed > LONGEST:
                return run
            time.sleep(0.25)


def _look(stage: Stage, expected: Mapping[str, str]) -> Run:
    store = stage.context.stores.orders
    orders = {order.id: order for order in store.get_many(list(expected)) if order}
    return Run(orders, {order_id: store.timeline(order_id) for order_id in orders}, expected)
