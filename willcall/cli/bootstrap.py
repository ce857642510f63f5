"""What a command works with: the configuration, the stores, the use cases' context.

Heavy modules are imported when a command needs them, so that `willcall --help` answers at once.
"""
# ruff: noqa: PLC0415 - see above

import os
from collections.abc import Sized
from typing import TYPE_CHECKING

from willcall.cli.output.console import print_note
from willcall.devtools import discovery

if TYPE_CHECKING:
    from willcall.config import Config
    from willcall.stores.registry import Stores
    from willcall.usecases.context import Context

NO_ACCOUNTS = (
    "no account is configured yet: write willcall.toml in this folder with a table per account, such as "
    "[providers.tiqets.default], holding base_url and the provider's credentials"
)


def open_config() -> "Config":
    """The configuration; where it names no Redis, that of a `willcall up` in this folder. Raises ConfigError."""
    from willcall.config import load

    config = load()
    if "redis_url" not in config.settings.model_fields_set:
        url = discovery.redis_url()
        if url:
            return load({**os.environ, "WILLCALL_REDIS_URL": url})
    return config


def open_stores(config: "Config") -> "Stores":
    """The stores alone, for commands that only read."""
    from willcall.stores.registry import Stores

    return Stores.connect(config.settings.redis_url)


def open_context() -> "Context":
    """Everything, with Celery to send messages through, for commands that change something."""
    import logging

    from workers.app import create_app
    from workers.logs import configure_logging

    config = open_config()
    configure_logging(config, logging.WARNING)
    context: Context = create_app(config).willcall
    return context


def note_missing_accounts(accounts: Sized) -> None:
    """Say how to make an account where there is none."""
    if not accounts:
        print_note(f"willcall: {NO_ACCOUNTS}")
