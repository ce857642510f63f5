"""`willcall import`: many orders from a file of JSON Lines."""
# ruff: noqa: PLC0415 - see cli.session

import os
import stat
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from willcall.cli.bootstrap import note_missing_accounts, open_context
from willcall.cli.errors import FAILED
from willcall.cli.output.console import print_json, stderr_console, strip_control_characters
from willcall.orders.strict_json import InvalidJsonError, parse_json
from willcall.views.formatting import format_count

if TYPE_CHECKING:
    from collections.abc import Callable

    from willcall.usecases.context import Context

#: Longest line, bytes, its end included.
LONGEST_LINE = 65_536
#: Lines that are submitted together.
BATCH = 200


class BadLineError(ValueError):
    """A line that holds no order."""


@dataclass(slots=True)
class ImportResult:
    """What became of the lines so far."""

    new: int = 0
    already_there: int = 0
    conflicting: int = 0
    bad: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in asdict(self).items())


def import_orders(
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(metavar="FILE.jsonl", help="One JSON object a line; - for standard input.")
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Submit many orders. Bad lines are reported and do not stop the rest; orders with an id can be imported again."""
    from willcall.stores.connection import StoreError

    context = open_context()
    note_missing_accounts(context.accounts)
    tally, number, lines = ImportResult(), 0, numbered_lines(file)
    with _progress(file) as (report, advance):
        try:
            while batch := list(islice(lines, BATCH)):
                for place, problem in _submit_lines(context, batch, tally):
                    report(f"line {place}: {problem}")
                number = batch[-1][0]
                advance(tally)
        except StoreError:
            report(f"stopped after line {number} ({tally}); lines that have an id can be imported again")
            raise
    if as_json:
        print_json(asdict(tally))
    else:
        typer.echo(f"{format_count(number, 'line')}: {tally}.")
    if tally.bad or tally.conflicting:
        raise typer.Exit(FAILED)


def numbered_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines, numbered from 1; of one that is too long, as much as shows that."""
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        ended = line.endswith(b"\n")
        while not ended and (rest := stream.readline(LONGEST_LINE)):
            ended = rest.endswith(b"\n")
        yield number, line


def read_line(line: bytes) -> dict[str, Any]:
    """The object that a line holds. Raises BadLineError."""
    if len(line) > LONGEST_LINE:
        raise BadLineError("is longer than 64 kB")
    try:
        value = parse_json(line.removeprefix(BOM_UTF8))
    except InvalidJsonError as error:
        raise BadLineError(str(error)) from None
    if not isinstance(value, dict):
        raise BadLineError("is no JSON object")
    return value


def _submit_lines(context: "Context", lines: list[tuple[int, bytes]], tally: ImportResult) -> list[tuple[int, str]]:
    """Submit what lines hold, count what became of it, and say which lines something is wrong with, and what."""
    from willcall.orders.errors import ConflictingOrderError, WillcallError
    from willcall.usecases.submit import submit_many

    problems: dict[int, str] = {}
    payloads: dict[int, dict[str, Any]] = {}
    for number, line in lines:
        try:
            if line.removeprefix(BOM_UTF8).strip():
                payloads[number] = read_line(line)
        except BadLineError as error:
            problems[number] = str(error)
            tally.bad += 1
    for number, result in zip(payloads, submit_many(context, list(payloads.values())), strict=True):
        if isinstance(result, WillcallError):
            problems[number] = str(result)
            conflicting = isinstance(result, ConflictingOrderError)
            tally.conflicting += conflicting
            tally.bad += not conflicting
        else:
            tally.new += result.new
            tally.already_there += not result.new
    return sorted(problems.items())


@contextmanager
def _progress(file: BinaryIO) -> Iterator[tuple["Callable[[str], None]", "Callable[[ImportResult], None]"]]:
    """A bar on stderr while a person looks: how to report a line above it, and how to move it on."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = stderr_console()
    size = _size(file)
    known = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn()) if size else ()
    columns = (*known, TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("", total=size)

        def report(sentence: str) -> None:
            progress.console.print(strip_control_characters(sentence), soft_wrap=True)

        def advance(tally: ImportResult) -> None:
            progress.update(task, completed=file.tell() if size else None, description=str(tally))

        yield report, advance


def _size(file: BinaryIO) -> int | None:
    """Bytes in the file, None for what has no end to be known."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
