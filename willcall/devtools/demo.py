"""`willcall demo`: the main job end to end on this machine, against simulated providers.

Starts Redis, the five providers, a worker, beat, the API and a backend. Submits orders of every kind over HTTP and
shows their progress. Prints the orders' statuses, the callbacks, and the providers' verdict on the requests.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.live import Live

from willcall.devtools.callback_receiver import CallbackReceiver
from willcall.devtools.demo_deployment import (
    DemoProgress,
    check_out,
    demo_deployment,
    read_progress,
    start_processes,
    submit_orders,
)
from willcall.devtools.demo_tables import progress_table, summary_table, verdict_panel
from willcall.devtools.local_deployment import LocalDeployment
from willcall.simulator.demo_script import demo_script
from willcall.simulator.script import OrderScript
from willcall.stores.private_folders import make_private_folder

#: Seconds after which the demo gives up on orders that have not ended as scripted.
TIMEOUT = 150.0


def run_demo(seed: int, svg: Path | None, keep: Path | None) -> bool:
    """Run the demo and print its results. Returns whether all orders ended as scripted.

    `svg` is a file for a picture of the results. `keep` is a folder for everything that the processes write, and for
    `issued.json`, which lists the providers' secrets that must not appear in logs.
    """
    console = Console(record=svg is not None, width=110 if svg else None)
    script = demo_script(seed=seed)
    with (
        _folder(keep) as folder,
        CallbackReceiver() as backend,
        demo_deployment(folder, script) as deployment,
    ):
        with console.status("Starting Redis, five providers, a worker, beat, the API and a backend ..."):
            start_processes(deployment)
        progress = _fulfil(deployment, backend, script.orders, console)
        verdict, pushes = deployment.providers.verdict(), deployment.providers.pushes()
        changes = sum(1 for _ in deployment.context.stores.events.list_after(None, 10_000))
        if keep:
            (keep / "issued.json").write_text(json.dumps(deployment.providers.issued_secrets()), encoding="utf-8")
    console.print(summary_table(progress, verdict))
    console.print(verdict_panel(progress, verdict, changes, pushes))
    if svg:
        drawn = console.export_svg(title="make demo")
        # A picture in the documentation must not load a font from another host.
        svg.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL), encoding="utf-8")
    return not progress.unfinished and not progress.undelivered and bool(verdict["ok"])


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Yield the folder to keep, or a temporary one."""
    if keep:
        make_private_folder(keep)
        yield keep
    else:
        with TemporaryDirectory(prefix="willcall-demo-") as folder:
            yield Path(folder)


def _fulfil(
    deployment: LocalDeployment, backend: CallbackReceiver, orders: tuple[OrderScript, ...], console: Console
) -> DemoProgress:
    expected = submit_orders(deployment, backend, orders) | check_out(deployment, backend)
    started = time.monotonic()
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while True:
            progress = read_progress(deployment, backend, expected)
            elapsed = time.monotonic() - started
            live.update(progress_table(progress, elapsed))
            if not (progress.unfinished or progress.undelivered) or elapsed > TIMEOUT:
                return progress
            time.sleep(0.25)
