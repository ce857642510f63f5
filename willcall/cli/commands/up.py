"""`willcall up`: everything on this machine, for development."""
# ruff: noqa: PLC0415 - see cli.session

import os
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from willcall.cli.bootstrap import note_missing_accounts
from willcall.cli.commands.processes import LOOPBACK
from willcall.cli.errors import FAILED, CommandError
from willcall.cli.output.console import print_note, redact_url
from willcall.devtools import discovery

if TYPE_CHECKING:
    from honcho.printer import Message

    from willcall.config import Config
    from willcall.devtools.embedded_redis import EmbeddedRedis

#: Exit codes by which honcho's manager says that a signal ended it.
_STOPPED = {128 + signal.SIGINT, 128 + signal.SIGTERM}


def up(
    *,
    api_port: Annotated[int, typer.Option(min=1, max=65_535, help="Where the API listens.")] = 8080,
    flower_port: Annotated[int, typer.Option(min=1, max=65_535, help="Where Flower listens.")] = 5555,
) -> None:
    """Run everything on this machine: Redis unless one is named, worker, beat, API, Flower. Ctrl-C stops it all."""
    import honcho.manager  # noqa: F401 - before anything starts: only the extra `dev` brings it

    from willcall.config import load

    config = load()
    told = _Told()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, told)
    # A terminal that is closed stops everything too.
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    _take_over()
    _check_port(api_port, "the API", "--api-port")
    _check_port(flower_port, "Flower", "--flower-port")
    with _redis(config) as (url, server):
        _greet(config, url, api_port, flower_port)
        code = _run_processes(url, server, api_port, flower_port, told)
    print_note("Everything is stopped.")
    raise typer.Exit(0 if code in _STOPPED else FAILED)


class _Told:
    """Takes a signal while things are still being set up: undo what there is, and go.

    While Python takes an object away no exception leaves; then the number is what is left of the signal.
    """

    number: int | None = None

    def __call__(self, number: int, _: object) -> None:
        self.number = number
        raise typer.Exit(0)


def _take_over() -> None:
    """Make sure that nothing of an earlier `up` is at work in this folder."""
    earlier = discovery.find_running()
    if earlier and earlier.alive:
        raise CommandError(f"`willcall up` is running in this folder already (process {earlier.pid})")
    if earlier:
        discovery.stop_abandoned(earlier)


def _check_port(port: int, whose: str, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            raise CommandError(f"port {port} is taken; choose another one for {whose} with {option}") from None


@contextmanager
def _redis(config: "Config") -> Iterator[tuple[str, "EmbeddedRedis | None"]]:
    """Where the Redis is that the configuration names, else one of our own that other commands in this folder find."""
    from willcall.devtools.embedded_redis import embedded_redis
    from willcall.stores.connection import connect

    if "redis_url" in config.settings.model_fields_set:
        url = config.settings.redis_url
        connect(url).ping()
        yield url, None
        return
    with embedded_redis(discovery.REDIS_FOLDER) as server, discovery.announce(server.url):
        yield server.url, server


def _greet(config: "Config", url: str, api_port: int, flower_port: int) -> None:
    typer.echo(f"Willcall starts in {Path.cwd()}; Ctrl-C stops everything.\n")
    typer.echo(f"  Redis     {redact_url(url)}")
    if config.settings.broker_url:
        typer.echo(f"  Broker    {redact_url(config.settings.broker_url)}")
    typer.echo(f"  API       http://{LOOPBACK}:{api_port}, the order board; its calls at /docs")
    typer.echo(f"  Flower    http://{LOOPBACK}:{flower_port}")
    typer.echo(f"  Accounts  {len(config.accounts)}, see `willcall accounts`")
    typer.echo("  Submit    in another terminal, in this folder:")
    provider = min((account.provider for account in config.accounts.values()), default="PROVIDER")
    typer.echo(f"            willcall submit --provider {provider} --reference REFERENCE\n")
    note_missing_accounts(config.accounts)


def _run_processes(url: str, server: "EmbeddedRedis | None", api_port: int, flower_port: int, told: _Told) -> int:
    """Worker, beat, API and Flower until a signal or until one of them or our own Redis ends; what honcho returns."""
    from honcho.manager import Manager
    from honcho.printer import Printer

    class Processes(Manager):  # type: ignore[misc]  # honcho publishes no types
        """May be told to stop before all have started: honcho knows their numbers only then."""

        def _start(self) -> None:
            """Called as soon as honcho listens to signals itself."""
            super()._start()
            if told.number:
                signal.raise_signal(told.number)

        def terminate(self) -> None:
            if self._all_started():
                super().terminate()
            else:
                again = threading.Timer(0.1, self.terminate)
                again.daemon = True
                again.start()

        def _any_stopped(self) -> bool:
            """Asked until one has. Our Redis counts, though it is not for honcho to stop: the others need it."""
            if server is None or server.code is None:
                return bool(super()._any_stopped())
            self._system_print(f"redis stopped (rc={server.code}), see {server.folder / 'redis.log'}\n")
            return True

    class Output(Printer):  # type: ignore[misc]  # honcho publishes no types
        """Where nobody reads any more, the processes must be stopped all the same."""

        def write(self, message: "Message") -> None:
            with suppress(OSError):
                super().write(message)

    environment = {**os.environ, "WILLCALL_REDIS_URL": url}
    if sys.stderr.isatty():
        environment["FORCE_COLOR"] = "1"  # a person reads the logs, though the children write to a pipe
    processes = Processes(Output(sys.stderr))
    processes.add_process("worker", _command("worker"), env=environment)
    processes.add_process("beat", _command("beat"), env=environment)
    processes.add_process("api", _command("api", "--port", str(api_port)), env=environment)
    flower = _command("flower", "--address", LOOPBACK, "--port", str(flower_port))
    processes.add_process("flower", flower, env=environment)
    processes.loop()
    return int(processes.returncode)


def _command(*arguments: str) -> str:
    """A shell line that becomes one of our own commands; `-P`: whatever the folder is called that we stand in."""
    return "exec " + shlex.join([sys.executable, "-P", "-m", "willcall.cli", *arguments])
