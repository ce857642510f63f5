"""`docs/performance.md`, made of the template `page.md` and the results of a run."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template

from bench.performance import plain_celery, recovery, speed, waiting
from bench.performance.api import BATCH, CONNECTIONS, MINIMAL, ONE_BY_ONE, PDF, TIQETS, TIXSTOCK
from bench.performance.results import (
    Recovery,
    Results,
    Speed,
    Submission,
    Waiting,
    Window,
    median,
    percentile,
    ratios,
    spread,
)


def page(results: Results) -> str:
    template = Template(Path(__file__).with_name("page.md").read_text(encoding="utf-8"))
    windows = next(iter(results.speed[0].windows.values()))
    patience = next(iter(results.recovery.values())).patience
    return template.substitute(
        machine=", ".join(f"{name} {value}" for name, value in results.machine.items()),
        settings=", ".join(f"`{name}={value}`" for name, value in plain_celery.SETTINGS.items()),
        options=" ".join(plain_celery.WORKER),
        summary=summary(results),
        speeds="\n\n".join(speeds(each) for each in results.speed),
        due=f"{speed.ORDERS:,}",
        windows=f"{len(windows)} windows of {windows[0].seconds:.0f} s",
        memories=memories(results.waiting),
        latenesses=latenesses(results.waiting),
        latency=milliseconds(waiting.LATENCY),
        late_windows=f"{waiting.WINDOWS} windows",
        submissions=submissions(results.submission),
        apis=apis(results.api),
        connections=str(CONNECTIONS),
        pdf=f"{PDF / 1_000:.0f} kB",
        recoveries=recoveries(results.recovery),
        crowd=f"{recovery.LOAD.orders:,}",
        countdown=f"{recovery.LOAD.countdown:.0f} s",
        distance=milliseconds(recovery.LOAD.latency),
        patience=f"{patience:.0f} s",
    )


OURS, THEIRS = "Willcall", "plain Celery"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table with the first column aligned to the left."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def summary(results: Results) -> str:
    """Return the table of promises: Willcall, plain Celery, their ratio, the target."""
    ours, theirs = results.waiting[OURS], results.waiting[THEIRS]
    back = [results.recovery[name] for name in (OURS, THEIRS)]
    rows: list[Sequence[str]] = [
        *((f"CPU per poll, {provider(each)}", *_costs(each), "at most 0.5 x") for each in results.speed),
        ("worker memory per waiting order", kilobytes(ours.worker), kilobytes(theirs.worker), "", "0"),
        ("Redis memory per waiting order", kilobytes(ours.redis), kilobytes(theirs.redis), "", "at most 2.5 kB"),
        ("lateness at half load, p50", late(ours, 0.5), late(theirs, 0.5), "", "at most 100 ms"),
        ("lateness at half load, p99", late(ours, 0.99), late(theirs, 0.99), "", "at most 200 ms"),
        ("after kill -9: orders that waited", *(_latest(each.waiting) for each in back), "", "within 5 s"),
        ("after kill -9: orders in flight", *(_latest(each.in_flight) for each in back), "", "within 60 s"),
        ("submit, one by one", *_submitted(results.submission, "one_by_one"), "at least 1 x"),
        ("submit, in batches", *_submitted(results.submission, "batch"), "at least 3 x"),
        (f"HTTP: {ONE_BY_ONE} (vs. minimal FastAPI)", *_compared_with_minimal(results.api), ""),
        *((f"HTTP: {name}", _rate(results.api[name]), "", "", "") for name in (BATCH, TIXSTOCK, TIQETS)),
    ]
    return table(("figure", OURS, THEIRS, "ratio", "target"), rows)


def speeds(each: Speed) -> str:
    base = [window.cost for window in each.windows[THEIRS]]
    rows = []
    for name, windows in each.windows.items():
        costs = [window.cost for window in windows]
        ratio = median(ratios(costs, base))
        rate = median(window.rate for window in windows)
        rows.append((name, f"{rate:,.0f}", f"{median(costs):.2f} ms", spread(costs), f"{ratio:.2f} x"))
    head = (f"{provider(each)}, {each.threads} threads", "polls/s", "CPU per poll", "range, ms", "vs. plain")
    return table(head, rows)


def memories(waiting: Mapping[str, Waiting]) -> str:
    rows = [(name, f"{each.orders:,}", kilobytes(each.worker), kilobytes(each.redis)) for name, each in waiting.items()]
    return table(("", "orders waiting", "worker memory per order", "Redis memory per order"), rows)


def latenesses(waiting: Mapping[str, Waiting]) -> str:
    """Return the lateness of each system: medians over the windows, the maximum over all."""
    rows = [
        (
            name,
            f"{each.rate:,.0f}",
            late(each, 0.5),
            late(each, 0.99),
            milliseconds(max(map(max, each.late))),
        )
        for name, each in waiting.items()
    ]
    return table(("", "polls/s", "p50", "p99", "max"), rows)


def submissions(submission: Mapping[str, Submission]) -> str:
    rows = [
        (
            name,
            f"{median(each.one_by_one):,.0f}/s",
            spread(each.one_by_one),
            f"{median(each.batch):,.0f}/s",
            spread(each.batch),
        )
        for name, each in submission.items()
    ]
    return table(("", "one by one", "range", "in batches of 1,000", "range"), rows)


def apis(api: Mapping[str, list[Window]]) -> str:
    minimal = [window.cost for window in api[MINIMAL]]
    rows = []
    for name, windows in api.items():
        costs = [window.cost for window in windows]
        ratio = "" if name in {TIXSTOCK, TIQETS} else f"{median(ratios(costs, minimal)):.2f} x"
        rows.append((name, _rate(windows), f"{median(costs):.2f} ms", spread(costs), ratio))
    return table(("", "per second", "CPU each", "range, ms", "CPU vs. minimal"), rows)


def recoveries(recovery: Mapping[str, Recovery]) -> str:
    rows = []
    for name, each in recovery.items():
        for fate, waits in (("waited", each.waiting), ("in flight", each.in_flight)):
            back = [wait for wait in waits if wait is not None]
            times = [f"{percentile(back, share):.1f} s" for share in (0.5, 1.0)] if back else ["never", "never"]
            rows.append((f"{name}, {fate}", f"{len(waits):,}", f"{len(back):,}", *times))
    return table(("", "orders", "polled again", "half within", "all within"), rows)


def late(waiting: Waiting, share: float) -> str:
    """Return a percentile of the lateness, as the median over the windows."""
    return milliseconds(median(percentile(window, share) for window in waiting.late))


def provider(speed: Speed) -> str:
    return f"provider {1_000 * speed.latency:.0f} ms away" if speed.latency else "provider responds at once"


def kilobytes(count: float) -> str:
    return f"{count / 1_000:.2f} kB"


def milliseconds(seconds: float) -> str:
    return f"{1_000 * seconds:.0f} ms"


def _costs(speed: Speed) -> tuple[str, str, str]:
    ours, theirs = ([window.cost for window in speed.windows[name]] for name in (OURS, THEIRS))
    return f"{median(ours):.2f} ms", f"{median(theirs):.2f} ms", f"{median(ratios(ours, theirs)):.2f} x"


def _rate(windows: Sequence[Window]) -> str:
    return f"{median(window.rate for window in windows):,.0f}/s"


def _compared_with_minimal(api: Mapping[str, list[Window]]) -> tuple[str, str, str]:
    ours, minimal = api[ONE_BY_ONE], api[MINIMAL]
    ratio = median(ratios((window.rate for window in ours), (window.rate for window in minimal)))
    return _rate(ours), _rate(minimal), f"{ratio:.2f} x"


def _latest(waits: Sequence[float | None]) -> str:
    back = [wait for wait in waits if wait is not None]
    if len(back) < len(waits):
        return f"{len(back):,} of {len(waits):,} continue"
    return f"all {len(waits):,} within {max(back, default=0):.1f} s"


def _submitted(submission: Mapping[str, Submission], how: str) -> tuple[str, str, str]:
    ours, theirs = (getattr(submission[name], how) for name in (OURS, THEIRS))
    return f"{median(ours):,.0f}/s", f"{median(theirs):,.0f}/s", f"{median(ratios(ours, theirs)):.2f} x"
