"""`docs/performance.md`: the words are in `page.md` beside this, the figures come from a run."""

from pathlib import Path
from string import Template

from bench.performance import calls, plain, recovery, speed, tables, waiting
from bench.performance.results import Results


def page(results: Results) -> str:
    """The whole page."""
    words = Template(Path(__file__).with_name("page.md").read_text(encoding="utf-8"))
    windows = next(iter(results.speed[0].windows.values()))
    patience = next(iter(results.recovery.values())).patience
    return words.substitute(
        machine=", ".join(f"{name} {value}" for name, value in results.machine.items()),
        settings=", ".join(f"`{name}={value}`" for name, value in plain.SETTINGS.items()),
        options=" ".join(plain.WORKER),
        summary=tables.summary(results),
        speeds="\n\n".join(tables.speeds(each) for each in results.speed),
        due=f"{speed.ORDERS:,}",
        windows=f"{len(windows)} windows of {windows[0].seconds:.0f} s",
        memories=tables.memories(results.waiting),
        latenesses=tables.latenesses(results.waiting),
        latency=tables.milliseconds(waiting.LATENCY),
        late_windows=f"{waiting.WINDOWS} windows",
        submissions=tables.submissions(results.submission),
        apis=tables.apis(results.api),
        connections=str(calls.CONNECTIONS),
        pdf=f"{calls.PDF / 1_000:.0f} kB",
        recoveries=tables.recoveries(results.recovery),
        crowd=f"{recovery.LOAD.orders:,}",
        countdown=f"{recovery.LOAD.countdown:.0f} s",
        distance=tables.milliseconds(recovery.LOAD.latency),
        patience=f"{patience:.0f} s",
    )
