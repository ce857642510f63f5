"""`willcall import`."""

import os
import stat
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Annotated, Any, BinaryIO

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from willcall.cli.bootstrap import note_missing_accounts
from willcall.cli.context import open_context
from willcall.cli.errors import FAILED
from willcall.cli.output.console import print_json, stderr_console, strip_control_characters
from willcall.orders.errors import ConflictingOrderError, DuplicateOrderError, ErasedOrderError, WillcallError
from willcall.orders.strict_json import InvalidJsonError, parse_json
from willcall.stores.connection import StoreError
from willcall.usecases.context import Context
from willcall.usecases.submit import submit_many
from willcall.views.formatting import format_count

#: Longest line in bytes, including its end.
LONGEST_LINE = 65_536
#: Lines that are submitted together.
BATCH = 200
_CONFLICTS = (ConflictingOrderError, DuplicateOrderError, ErasedOrderError)


class BadLineError(ValueError):
    """A line is not a JSON object."""


@dataclass(slots=True)
class ImportResult:
    """Counts of the lines so far."""

    new: int = 0
    already_there: int = 0
    conflicting: int = 0
    bad: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in asdict(self).items())


def import_orders(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(metavar="FILE.jsonl", help="One JSON object per line; - for standard input."),
    ],
    *,
    client: Annotated[
        str | None, typer.Option(metavar="NAME", help="The backend of orders whose line names no `client`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Submit many orders from a file of JSON Lines. Bad lines are reported and skipped.

    Orders with an id can be imported again.
    """
    context = open_context()
    note_missing_accounts(context.accounts)
    result, number, lines = ImportResult(), 0, numbered_lines(file)
    with _progress(file) as (report, advance):
        try:
            while batch := list(islice(lines, BATCH)):
                for line_number, problem in _submit_lines(context, batch, result, {"client": client}):
                    report(f"line {line_number}: {problem}")
                number = batch[-1][0]
                advance(result)
        except StoreError:
            report(f"stopped after line {number} ({result}); lines with an id can be imported again")
            raise
    if as_json:
        print_json(asdict(result))
    else:
        typer.echo(f"{format_count(number, 'line')}: {result}.")
    if result.bad or result.conflicting:
        raise typer.Exit(FAILED)


def numbered_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the lines, numbered from 1. A line that is too long is cut to one byte more than `LONGEST_LINE`."""
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        ended = line.endswith(b"\n")
        while not ended and (rest := stream.readline(LONGEST_LINE)):
            ended = rest.endswith(b"\n")
        yield number, line


def read_line(line: bytes) -> dict[str, Any]:
    """Return the object on a line. Raises BadLineError."""
    if len(line) > LONGEST_LINE:
        raise BadLineError("is longer than 64 kB")
    try:
        value = parse_json(line.removeprefix(BOM_UTF8))
    except InvalidJsonError as error:
        raise BadLineError(str(error)) from None
    if not isinstance(value, dict):
        raise BadLineError("is not a JSON object")
    return value


def _submit_lines(
    context: Context, lines: list[tuple[int, bytes]], result: ImportResult, defaults: Mapping[str, Any]
) -> list[tuple[int, str]]:
    """Submit lines, count the results, and return the problems with the numbers of their lines.

    `defaults`: fields of the orders whose lines lack them.
    """
    problems: dict[int, str] = {}
    payloads: dict[int, dict[str, Any]] = {}
    for number, line in lines:
        try:
            if line.removeprefix(BOM_UTF8).strip():
                payloads[number] = {**defaults, **read_line(line)}
        except BadLineError as error:
            problems[number] = str(error)
            result.bad += 1
    for number, submitted in zip(payloads, submit_many(context, list(payloads.values())), strict=True):
        if isinstance(submitted, WillcallError):
            problems[number] = str(submitted)
            conflicting = isinstance(submitted, _CONFLICTS)
            result.conflicting += conflicting
            result.bad += not conflicting
        else:
            result.new += submitted.new
            result.already_there += not submitted.new
    return sorted(problems.items())


@contextmanager
def _progress(file: BinaryIO) -> Iterator[tuple[Callable[[str], None], Callable[[ImportResult], None]]]:
    """Show a progress bar on a terminal. Yields how to print a line above it, and how to advance it."""
    console = stderr_console()
    size = _file_size(file)
    known = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn()) if size else ()
    columns = (*known, TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("", total=size)

        def report(sentence: str) -> None:
            progress.console.print(strip_control_characters(sentence), soft_wrap=True)

        def advance(result: ImportResult) -> None:
            progress.update(task, completed=file.tell() if size else None, description=str(result))

        yield report, advance


def _file_size(file: BinaryIO) -> int | None:
    """Return the size in bytes, or `None` for a pipe."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
