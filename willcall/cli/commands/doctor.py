"""`willcall doctor`."""

import logging
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Annotated

import typer

from willcall.cli.bootstrap import read_config
from willcall.cli.doctor.checks.configuration import config_errors
from willcall.cli.doctor.checks.processes import check_own_process
from willcall.cli.doctor.context import CheckContext
from willcall.cli.doctor.findings import CheckResult
from willcall.cli.doctor.report import results_table, results_to_json, summarize
from willcall.cli.errors import FAILED, USAGE
from willcall.cli.output.console import print_json, stdout_console
from willcall.config import Config, ConfigError


class OwnProcess(StrEnum):
    """What `--self` checks: a kind of process that sends heartbeats, or whichever of them the container runs."""

    WORKER = "worker"
    BEAT = "beat"
    API = "api"
    FLOWER = "flower"
    AUTO = "auto"


def doctor(
    *,
    only: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="Run only this check; may be repeated.")
    ] = None,
    own: Annotated[
        OwnProcess | None,
        typer.Option("--self", help="Check only that such a process runs on this host; auto: what the container runs."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the deployment, and say how to fix what is wrong. The exit code is 0 where nothing is."""
    if own and only:
        raise typer.BadParameter("cannot be combined with --only", param_hint="--self")
    kind = main_process() if own is OwnProcess.AUTO else own
    if own and kind is None:
        typer.echo("This container runs no worker, beat, API or Flower, so there is nothing to check.")
        return
    try:
        config = read_config()
    except ConfigError as problem:
        results, code = [CheckResult("config", config_errors(problem))], USAGE
    else:
        results = [_check_own(config, kind)] if kind else _run_checks(config, only or [])
        code = 0 if all(result.passed for result in results) else FAILED
    if as_json:
        print_json(results_to_json(results))
    else:
        console = stdout_console()
        console.print(results_table(results))
        console.print(f"\n{summarize(results, complete=not (kind or only))}")
    raise typer.Exit(code)


def main_process(cmdline: Path = Path("/proc/1/cmdline")) -> str | None:
    """Return the kind of the container's main process; `None` if it sends no heartbeats or is another program."""
    try:
        words = cmdline.read_text(errors="replace").split("\0")
    except OSError:  # no such file on macOS
        return None
    commands = (after for word, after in pairwise(words) if PurePath(word).name == "willcall")
    command = next(commands, None)
    return command if command in set(OwnProcess) - {OwnProcess.AUTO} else None


def _check_own(config: Config, kind: str) -> CheckResult:
    return CheckResult(kind, check_own_process(CheckContext(config), kind))


def _run_checks(config: Config, names: Sequence[str]) -> list[CheckResult]:
    # Imported here, as they import Celery, and a container's health check with --self must be quick.
    from willcall.cli.doctor.runner import CHECKS, run_checks  # noqa: PLC0415
    from workers.logs import configure_logging  # noqa: PLC0415

    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        raise typer.BadParameter(f"must be one of {', '.join(CHECKS)}, not {unknown[0]}", param_hint="--only")
    configure_logging(config, logging.ERROR)  # what goes wrong in a check is a finding
    return run_checks(CheckContext(config), names)
