"""`willcall doctor`."""
# ruff: noqa: PLC0415 - see cli.session

import logging
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from willcall.cli.bootstrap import open_config
from willcall.cli.errors import FAILED, USAGE
from willcall.cli.output.console import print_json, stdout_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from willcall.cli.doctor.findings import Diagnosis
    from willcall.config import Config


class ProcessKind(StrEnum):
    """Kinds of processes."""

    WORKER = "worker"
    BEAT = "beat"
    API = "api"


def doctor(
    *,
    only: Annotated[list[str] | None, typer.Option(metavar="CHECK", help="Only this check; may be repeated.")] = None,
    own: Annotated[
        ProcessKind | None, typer.Option("--self", help="Only whether such a process of this host lives.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check the deployment, and say how to fix what is wrong. The exit code is 0 where nothing is."""
    diagnoses, code = _diagnoses(only or [], own)
    _show(diagnoses, as_json=as_json)
    raise typer.Exit(code)


def _diagnoses(only: "Sequence[str]", kind: ProcessKind | None) -> "tuple[list[Diagnosis], int]":
    """What is found, and the exit code that it means. Raises typer.BadParameter."""
    from willcall.cli.doctor.configuration import mistakes
    from willcall.cli.doctor.findings import Diagnosis
    from willcall.config import ConfigError

    if kind and only:
        raise typer.BadParameter("is a check by itself", param_hint="--self")
    if only:
        _check_names(only)
    try:
        config = open_config()
    except ConfigError as error:
        return [Diagnosis("config", mistakes(error))], USAGE
    diagnoses = [_own(config, kind)] if kind else _examined(config, only)
    return diagnoses, 0 if all(diagnosis.well for diagnosis in diagnoses) else FAILED


def _check_names(only: "Sequence[str]") -> None:
    from willcall.cli.doctor.examination import CHECKS

    unknown = [name for name in only if name not in CHECKS]
    if unknown:
        raise typer.BadParameter(f"there is no check {unknown[0]}; there is {', '.join(CHECKS)}", param_hint="--only")


def _own(config: "Config", kind: ProcessKind) -> "Diagnosis":
    """It has seconds on a busy machine, hence imports little."""
    from willcall.cli.doctor.findings import Diagnosis
    from willcall.cli.doctor.own import check
    from willcall.cli.doctor.patient import Patient

    return Diagnosis(kind, check(Patient(config), kind))


def _examined(config: "Config", only: "Sequence[str]") -> "list[Diagnosis]":
    from willcall.cli.doctor.examination import examined
    from willcall.cli.doctor.patient import Patient
    from workers.logs import configure_logging

    configure_logging(config, logging.ERROR)  # what a check stumbles over is a finding
    return examined(Patient(config), only)


def _show(diagnoses: "Sequence[Diagnosis]", *, as_json: bool) -> None:
    from willcall.cli.doctor.view import document, summary, table

    if as_json:
        print_json(document(diagnoses))
    else:
        console = stdout_console()
        console.print(table(diagnoses))
        console.print(f"\n{summary(diagnoses)}")
