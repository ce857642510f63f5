"""The figures as pictures: SVG, the same for the same results."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.performance.api import BARE, BATCH, ONE_BY_ONE, TIQETS, TIXSTOCK
from bench.performance.results import Recovery, Results, Speed, Submission, Waiting, Window
from bench.performance.statistics import median, percentile
from bench.performance.tables import provider

COLOURS = {
    "Willcall": "#1f6feb",
    "plain Celery": "#d1742f",
    "plain Celery, retry()": "#b35900",
    "bare loop": "#8c959f",
    ONE_BY_ONE: "#1f6feb",
    BARE: "#8c959f",
    BATCH: "#1f6feb",
    TIXSTOCK: "#1f6feb",
    TIQETS: "#1f6feb",
}
#: Points of a curve.
POINTS = 200


def draw(results: Results, folder: Path) -> None:
    """Write one picture per figure."""
    mpl.rcParams.update({"svg.hashsalt": "willcall", "font.size": 10, "axes.spines.top": False})
    mpl.rcParams.update({"axes.spines.right": False, "figure.facecolor": "white", "axes.axisbelow": True})
    pictures: dict[str, Callable[[], Figure]] = {
        "speed": lambda: speed(results.speed),
        "memory": lambda: memory(results.waiting),
        "lateness": lambda: lateness(results.waiting),
        "submission": lambda: submission(results.submission),
        "api": lambda: api(results.api),
        "recovery": lambda: recovery(results.recovery),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        picture().savefig(folder / f"performance-{name}.svg", metadata={"Date": None})


def speed(speeds: Sequence[Speed]) -> Figure:
    """CPU per poll of each contestant, near and far providers side by side."""
    figure, panels = _panels([provider(each) for each in speeds])
    for panel, each in zip(panels, speeds, strict=True):
        bars(panel, {name: [window.cost for window in windows] for name, windows in each.windows.items()}, "{:.2f} ms")
        panel.set_xlabel("worker's CPU per poll, ms (less is better)")
    return figure


def memory(waiting: Mapping[str, Waiting]) -> Figure:
    """Bytes per waiting order: of the worker, of Redis."""
    figure, panels = _panels(["worker", "Redis"])
    for panel, what in zip(panels, ("worker", "redis"), strict=True):
        bars(panel, {name: [getattr(each, what) / 1_000] for name, each in waiting.items()}, "{:.2f} kB")
        panel.set_xlabel("memory per waiting order, kB (less is better)")
    return figure


def submission(taken: Mapping[str, Submission]) -> Figure:
    """Orders per second."""
    figure, panels = _panels(["one by one", "in batches of 1,000"])
    for panel, how in zip(panels, ("one_by_one", "batch"), strict=True):
        bars(panel, {name: getattr(each, how) for name, each in taken.items()}, "{:,.0f}/s")
        panel.set_xlabel("orders per second (more is better)")
    return figure


def api(measured: Mapping[str, list[Window]]) -> Figure:
    """CPU per order and per webhook."""
    figure, panels = _panels(["orders", "webhooks"])
    for panel, names in zip(panels, ((ONE_BY_ONE, BARE, BATCH), (TIXSTOCK, TIQETS)), strict=True):
        bars(panel, {name: [window.cost for window in measured[name]] for name in names}, "{:.2f} ms")
        panel.set_xlabel("API's CPU for each, ms (less is better)")
    return figure


def lateness(waiting: Mapping[str, Waiting]) -> Figure:
    """The share of polls that began within so many milliseconds."""
    figure, (panel,) = _panels(["polls at half load, while others wait"])
    for name, each in waiting.items():
        late = [1_000 * value for window in each.late for value in window]
        shares = [(step + 1) / POINTS for step in range(POINTS)]
        panel.plot([max(percentile(late, share), 0.1) for share in shares], shares, label=name, color=COLOURS[name])
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_xlabel("late by at most, ms (further left is better)")
    _shares(panel, "share of polls")
    return figure


def recovery(recoveries: Mapping[str, Recovery]) -> Figure:
    """The share of orders asked for again within so many seconds."""
    figure, (panel,) = _panels(["after kill -9 of the only worker"])
    for name, each in recoveries.items():
        for fate, waits, line in (("waited", each.waiting, "-"), ("in flight", each.in_flight, "--")):
            back = sorted(max(wait, 0.0) for wait in waits if wait is not None)
            shares = [(index + 1) / len(waits) for index in range(len(back))]
            across, up = [0.0, *back, each.patience], [0.0, *shares, shares[-1] if shares else 0.0]
            panel.step(across, up, line, where="post", label=f"{name}, {fate}", color=COLOURS[name])
    panel.set_xlabel("seconds since another worker's start, or since they were due where that is later")
    _shares(panel, "share of orders asked for again")
    return figure


def bars(panel: Axes, values: Mapping[str, Sequence[float]], form: str) -> None:
    """A bar per name at the median, with a line from the least to the most."""
    for name, measured in values.items():
        middle = median(measured)
        panel.barh(name, middle, color=COLOURS[name], height=0.6)
        panel.hlines(name, min(measured), max(measured), color="#24292f", linewidth=1)
        panel.annotate(
            form.format(middle),
            (max(measured), list(values).index(name)),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
        )
    panel.invert_yaxis()
    panel.margins(x=0.25)
    panel.grid(axis="x", color="#d0d7de", linewidth=0.5)


def _panels(titles: Sequence[str]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(9, 2.6 if len(titles) > 1 else 3.6), layout="constrained")
    panels = [figure.add_subplot(1, len(titles), index + 1, title=title) for index, title in enumerate(titles)]
    return figure, panels


def _shares(panel: Axes, label: str) -> None:
    """What all curves have in common."""
    panel.set_ylim(0, 1.02)
    panel.set_ylabel(label)
    panel.yaxis.set_major_formatter("{x:.0%}")
    panel.grid(color="#d0d7de", linewidth=0.5)
    panel.legend(frameon=False)
