"""Options and arguments that several commands share, and the parsers of their values."""

import re
import time
from datetime import datetime
from typing import Annotated

import typer

OrderIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The order's id.")]
PortOption = Annotated[int, typer.Option(min=0, max=65_535, help="The port to listen on.")]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)", re.ASCII)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}

#: Seconds. For longer, leave the duration out.
LONGEST_DURATION = 366 * 86_400


def parse_duration(text: str) -> float:
    """Return the seconds of `90`, `90s`, `15m`, `2h` or `1d`. Raises typer.BadParameter."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter("must be a number of seconds, or a number followed by s, m, h or d, such as 15m")
    seconds = float(match[1]) * _UNITS[match[2]]
    if not 0 < seconds <= LONGEST_DURATION:
        raise typer.BadParameter("must be more than 0 and at most 366d")
    return seconds


def parse_since(text: str) -> float:
    """Return the epoch second of an ISO 8601 time, or of so long ago (`90`, `15m`, `2h`). Raises typer.BadParameter."""
    if re.match(r"\d{4}-", text):
        return parse_time(text).timestamp()
    try:
        return time.time() - parse_duration(text)
    except typer.BadParameter as error:
        raise typer.BadParameter(f"{error.message}; or a time in ISO 8601, such as 2026-11-22T10:00:00Z") from None


def parse_time(text: str) -> datetime:
    """Return an ISO 8601 time with a time zone. Raises typer.BadParameter."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("must be a time in ISO 8601, such as 2026-11-22T10:00:00Z") from None
    if moment.tzinfo is None:
        raise typer.BadParameter("needs a time zone: end it with Z for UTC, or with an offset such as +01:00")
    return moment
