"""`willcall up`."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from willcall.cli.bootstrap import note_missing_accounts
from willcall.cli.errors import FAILED, CommandError
from willcall.cli.network import LOOPBACK, require_free_port
from willcall.cli.output.console import print_note, redact_url
from willcall.config import Config, load
from willcall.devtools.discovery import REDIS_FOLDER, find_running
from willcall.devtools.embedded_redis import EmbeddedRedis, embedded_redis
from willcall.devtools.process_supervisor import ProcessSupervisor, willcall_command
from willcall.devtools.up_lock import announce, is_alive, stop_abandoned
from willcall.runtime import hangup
from willcall.stores.connection import connect

#: Seconds between two checks for a process that has ended.
CHECK_INTERVAL = 0.1


def up(
    *,
    api_port: Annotated[int, typer.Option(min=1, max=65_535, help="The port of the API.")] = 8080,
    flower_port: Annotated[int, typer.Option(min=1, max=65_535, help="The port of Flower.")] = 5555,
) -> None:
    """Run everything on this machine, for development.

    Starts worker, beat, API and Flower, and Redis unless redis_url is set. Ctrl-C stops everything.
    """
    config = load()
    stop_requested = _stop_on_signals()
    _stop_earlier_run()
    require_free_port(api_port, "the API", "--api-port")
    require_free_port(flower_port, "Flower", "--flower-port")
    with _redis(config) as (url, server):
        _print_addresses(config, url, api_port, flower_port)
        _run_processes(url, server, api_port, flower_port, stop_requested)
    print_note("Everything is stopped.")
    raise typer.Exit(0 if stop_requested.is_set() else FAILED)


def _stop_on_signals() -> threading.Event:
    """Return an event that Ctrl-C, SIGTERM, and with it a closed terminal set.

    The handlers raise no exception, because one raised while Python destroys an object is lost.
    """
    stop_requested = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop_requested.set())
    return stop_requested


def _stop_earlier_run() -> None:
    """Stop what a killed `up` left in this folder. Raises CommandError if it still runs."""
    earlier = find_running()
    if earlier and is_alive(earlier):
        raise CommandError(f"`willcall up` is running in this folder already (process {earlier.pid})")
    if earlier:
        stop_abandoned(earlier)


@contextmanager
def _redis(config: Config) -> Iterator[tuple[str, EmbeddedRedis | None]]:
    """Yield the configured Redis, or start one that other commands in this folder find."""
    if "redis_url" in config.settings.model_fields_set:
        url = config.settings.redis_url
        connect(url).ping()
        yield url, None
        return
    with embedded_redis(REDIS_FOLDER) as server, announce(server.url):
        yield server.url, server


def _print_addresses(config: Config, url: str, api_port: int, flower_port: int) -> None:
    typer.echo(f"Starting Willcall in {Path.cwd()}; Ctrl-C stops everything.\n")
    typer.echo(f"  Redis     {redact_url(url)}")
    if config.settings.broker_url:
        typer.echo(f"  Broker    {redact_url(config.settings.broker_url)}")
    typer.echo(f"  Board     http://{LOOPBACK}:{api_port}")
    typer.echo(f"  API       http://{LOOPBACK}:{api_port}/docs")
    typer.echo(f"  Flower    http://{LOOPBACK}:{flower_port}")
    typer.echo(f"  Accounts  {len(config.accounts)}, see `willcall accounts`")
    typer.echo("  Submit    in another terminal, in this folder:")
    provider = min((account.provider for account in config.accounts.values()), default="PROVIDER")
    typer.echo(f"            willcall submit --provider {provider} --reference REFERENCE\n")
    note_missing_accounts(config.accounts)


def _run_processes(
    url: str, server: EmbeddedRedis | None, api_port: int, flower_port: int, stop_requested: threading.Event
) -> None:
    """Run worker, beat, API and Flower until a stop is requested, or one of them or our Redis ends."""
    environment = {**os.environ, "WILLCALL_REDIS_URL": url}
    if sys.stderr.isatty():
        environment["FORCE_COLOR"] = "1"  # the logs end up on a terminal, though the children write to a pipe
    commands = {
        "worker": willcall_command("worker"),
        "beat": willcall_command("beat"),
        "api": willcall_command("api", "--port", str(api_port)),
        "flower": willcall_command("flower", "--address", LOOPBACK, "--port", str(flower_port)),
    }
    supervisor = ProcessSupervisor(sys.stderr)
    hangup.handle(supervisor.reload)
    try:
        for name, command in commands.items():
            if not stop_requested.is_set():
                supervisor.start(name, command, environment)
        while not (stop_requested.wait(CHECK_INTERVAL) or supervisor.ended):
            if server is not None and server.code is not None:
                supervisor.print(f"redis stopped (rc={server.code}), see {server.folder / 'redis.log'}")
                break
    finally:
        supervisor.stop()
