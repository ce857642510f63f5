"""The command that shows which versions run here."""
# ruff: noqa: PLC0415 - see cli.session

import platform
from typing import Annotated

import typer

from willcall import __version__
from willcall.cli.output.console import print_json, print_note

#: Seconds to wait for Redis.
_PATIENCE = 2.0


def version(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show the versions of Willcall, Python, Celery, kombu and the Redis server."""
    import celery
    import kombu

    versions = {
        "willcall": __version__,
        "python": platform.python_version(),
        "celery": celery.__version__,
        "kombu": kombu.__version__,
        "redis_server": _redis_server(),
    }
    if as_json:
        print_json(versions)
        return
    for name, found in versions.items():
        typer.echo(f"{_TITLES.get(name, name):<13} {found or 'unknown'}")


_TITLES = {"python": "Python", "celery": "Celery", "redis_server": "Redis server"}


def _redis_server() -> str | None:
    """Return the version of the configured server; `None`, with a note on stderr, if it cannot be asked."""
    from willcall.cli.bootstrap import open_config
    from willcall.cli.errors import explain
    from willcall.config import ConfigError
    from willcall.stores.connection import StoreError, connect

    try:
        redis = connect(open_config().settings.redis_url, timeout=_PATIENCE, retries=0)
        return str(redis.info("server")["redis_version"])
    except (ConfigError, StoreError) as error:
        explanation = explain(error)
        for line in (explanation.message if explanation else str(error)).splitlines():
            print_note(line)
        return None
