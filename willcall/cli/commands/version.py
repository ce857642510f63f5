"""`willcall version`."""

import platform
from importlib.metadata import version as package_version
from typing import Annotated

import typer

from willcall import __version__
from willcall.cli.bootstrap import open_config
from willcall.cli.error_messages import explain
from willcall.cli.output.console import print_json, print_note
from willcall.config import ConfigError
from willcall.stores.connection import StoreError, connect
from willcall.stores.server_info import read_server_info

#: Seconds to wait for Redis.
_TIMEOUT = 2.0

_TITLES = {"python": "Python", "celery": "Celery", "redis_server": "Redis server"}


def version(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the versions of Willcall and what it runs on. These are Python, Celery, kombu and the Redis server."""
    versions = {
        "willcall": __version__,
        "python": platform.python_version(),
        "celery": package_version("celery"),
        "kombu": package_version("kombu"),
        "redis_server": _redis_server(),
    }
    if as_json:
        print_json(versions)
        return
    for name, found in versions.items():
        typer.echo(f"{_TITLES.get(name, name):<13} {found or 'unknown'}")


def _redis_server() -> str | None:
    """Return the version of the configured server; `None`, with a note on stderr, if it cannot be reached."""
    try:
        redis = connect(open_config().settings.redis_url, timeout=_TIMEOUT, retries=0)
        found = read_server_info(redis).version
    except (ConfigError, StoreError) as error:
        explanation = explain(error)
        for line in (explanation.message if explanation else str(error)).splitlines():
            print_note(line)
        return None
    if found is None:
        print_note("The Redis server does not say its version, or its user may not run `INFO`.")
    return found
