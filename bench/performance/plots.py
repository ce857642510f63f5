"""Pictures of the two distributions that tables do not show: SVG, the same for the same results."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.performance.results import Recovery, Results, Waiting, percentile

COLORS = {"Willcall": "#1f6feb", "plain Celery": "#d1742f"}
#: Points of a curve.
POINTS = 200


def draw(results: Results, folder: Path) -> None:
    mpl.rcParams.update({"svg.hashsalt": "willcall", "font.size": 10, "axes.spines.top": False})
    mpl.rcParams.update({"axes.spines.right": False, "figure.facecolor": "white", "axes.axisbelow": True})
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in (("lateness", lateness(results.waiting)), ("recovery", recovery(results.recovery))):
        figure.savefig(folder / f"performance-{name}.svg", metadata={"Date": None})


def lateness(waiting: Mapping[str, Waiting]) -> Figure:
    """Plot the share of polls that began within a number of milliseconds."""
    figure, panel = _figure("polls at half load, while others wait")
    for name, each in waiting.items():
        late = [1_000 * value for window in each.late for value in window]
        shares = [(step + 1) / POINTS for step in range(POINTS)]
        panel.plot([max(percentile(late, share), 0.1) for share in shares], shares, label=name, color=COLORS[name])
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_xlabel("late by at most, ms (further left is better)")
    _format_shares(panel, "share of polls")
    return figure


def recovery(recoveries: Mapping[str, Recovery]) -> Figure:
    """Plot the share of orders that were polled again within a number of seconds."""
    figure, panel = _figure("after kill -9 of the only worker")
    for name, each in recoveries.items():
        for state, waits, line in (("waited", each.waiting, "-"), ("in flight", each.in_flight, "--")):
            back = sorted(max(wait, 0.0) for wait in waits if wait is not None)
            shares = [(index + 1) / len(waits) for index in range(len(back))]
            across, up = [0.0, *back, each.patience], [0.0, *shares, shares[-1] if shares else 0.0]
            panel.step(across, up, line, where="post", label=f"{name}, {state}", color=COLORS[name])
    panel.set_xlabel("seconds since another worker's start, or since they were due where that is later")
    _format_shares(panel, "share of orders polled again")
    return figure


def _figure(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    return figure, figure.add_subplot(title=title)


def _format_shares(panel: Axes, label: str) -> None:
    panel.set_ylim(0, 1.02)
    panel.set_ylabel(label)
    panel.yaxis.set_major_formatter("{x:.0%}")
    panel.grid(color="#d0d7de", linewidth=0.5)
    panel.legend(frameon=False)
