"""Durations as people type them."""

import re

import typer

_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)", re.ASCII)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}

#: Whoever wants longer wants no end: leave the duration out.
LONGEST = 366 * 86_400


def duration(text: str) -> float:
    """Seconds of `90`, `90s`, `15m`, `2h` or `1d`. Raises typer.BadParameter."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter("must be a number of seconds, or one with s, m, h or d behind it, such as 15m")
    seconds = float(match[1]) * _UNITS[match[2]]
    if not 0 < seconds <= LONGEST:
        raise typer.BadParameter("must be more than nothing and at most 366d")
    return seconds
