"""Small charts as SVG. The style sheet sets colours and sizes; the label says what a chart shows."""

from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from willcall.api.board.labels import duration_label
from willcall.orders.statistics import BUCKET_BOUNDS, TIME_TO_TICKET
from willcall.views.formatting import format_count

_BAR, _GAP, _HEIGHT = 7, 2, 34

#: Times that the description names, in seconds.
_TICKS = ((10.0, "10 s"), (60.0, "1 min"), (600.0, "10 min"), (3_600.0, "1 h"), (86_400.0, "24 h"))


def hourly(hours: Sequence[tuple[float, int]], of: str) -> Markup:
    """Draw a bar for each hour: the number of fulfilled orders."""
    total, most = sum(count for _, count in hours), max((count for _, count in hours), default=0)
    bars = [
        _bar(at, count / most if most else 0.0, f"{_hour(start)}: {count:,}", now=at == len(hours) - 1)
        for at, (start, count) in enumerate(hours)
    ]
    description = f"{total:,} fulfilled in the last {format_count(len(hours), 'hour')}, {most:,} in the best one"
    return _chart(f"Fulfilled per hour, {of}", description, bars, "hourly")


def distribution(counts: dict[str, int], of: str) -> Markup:
    """Draw a bar for each bucket of the time from submission to tickets."""
    bounds = BUCKET_BOUNDS[TIME_TO_TICKET]
    names = [f"{TIME_TO_TICKET}:{bound:g}" for bound in bounds] + [f"{TIME_TO_TICKET}:inf"]
    numbers = [counts.get(name, 0) for name in names]
    total, most = sum(numbers), max(numbers)
    labels = [f"up to {duration_label(bound)}" for bound in bounds] + [f"over {duration_label(bounds[-1])}"]
    bars = [
        _bar(at, number / most if most else 0.0, f"{label}: {number:,}")
        for at, (label, number) in enumerate(zip(labels, numbers, strict=True))
    ]
    within = ", ".join(
        f"{sum(numbers[: bounds.index(end) + 1]) / total:.0%} within {name}" for end, name in _TICKS if total
    )
    return _chart(f"Time to ticket, {of}", f"{format_count(total, 'order')}. {within}", bars, "distribution")


def gauge(share: float, title: str) -> Markup:
    """Draw a bar of which a share, at most all, is filled."""
    width = round(min(max(share, 0.0), 1.0) * 100, 1)
    full = " full" if share >= 0.9 else ""  # noqa: PLR2004 - little is left
    return Markup(
        '<svg class="gauge{}" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="track" width="100" height="6"/><rect class="fill" width="{}" height="6"/></svg>'
    ).format(full, title, width)


def _bar(at: int, share: float, title: str, *, now: bool = False) -> Markup:
    height = max(round(share * _HEIGHT, 1), 2.0) if share else 1.0
    kind = ("now" if now else "some") if share else "none"
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="1"><title>{}</title></rect>').format(
        kind, at * (_BAR + _GAP), round(_HEIGHT - height, 1), _BAR, height, title
    )


def _chart(title: str, description: str, bars: Sequence[Markup], kind: str) -> Markup:
    width = len(bars) * (_BAR + _GAP) - _GAP
    return Markup('<svg class="chart {}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        kind, max(width, 1), _HEIGHT, f"{title}. {description}", Markup("").join(bars)
    )


def _hour(start: float) -> str:
    return f"{datetime.fromtimestamp(start, UTC):%H:%M} UTC"
