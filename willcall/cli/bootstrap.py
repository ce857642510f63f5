"""What commands start from: the configuration and the stores."""

import os
from collections.abc import Sized
from contextlib import suppress

from willcall.cli.output.console import print_note
from willcall.config import Config, load
from willcall.config.environment import proxy_variable
from willcall.devtools.discovery import find_redis_url
from willcall.stores.connection import StoreError
from willcall.stores.registry import Stores

NO_ACCOUNTS = (
    "no account is configured: add one to willcall.toml, or the file that WILLCALL_CONFIG names, as a table such as "
    "[providers.tiqets.default] with base_url and the provider's credentials"
)


def open_config() -> Config:
    """Load the configuration and print its warnings. Raises ConfigError."""
    config = read_config()
    for warning in config.warnings:
        print_note(f"willcall: {warning}")
    return config


def read_config() -> Config:
    """Load the configuration. Without a `redis_url`, use the Redis of a `willcall up` in this folder.

    Raises:
        ConfigError
    """
    config = load()
    if "redis_url" not in config.settings.model_fields_set:
        url = find_redis_url()
        if url:
            return load({**os.environ, "WILLCALL_REDIS_URL": url})
    return config


def ignored_proxy(config: Config) -> str | None:
    """Return a sentence about a proxy in the environment, if the configuration has none."""
    routes = [config.settings.outbound.route, *(account.route for account in config.accounts.values())]
    variable = None if any(route.proxy for route in routes) else proxy_variable(os.environ)
    return f"{variable} has no effect: set `outbound.proxy`, and `http.proxy` of accounts" if variable else None


def open_stores(config: Config) -> Stores:
    """Return the stores, for commands that only read. Raises UnreadableStateError."""
    stores = Stores.connect(config.settings.redis_url)
    check_schema(stores)
    return stores


def check_schema(stores: Stores) -> None:
    """Check that this release can read the state. Raises UnreadableStateError."""
    with suppress(StoreError):  # the command itself says that Redis is unavailable, if it needs it
        stores.schema.check()


def note_missing_accounts(accounts: Sized) -> None:
    """Print how to configure an account if there is none."""
    if not accounts:
        print_note(f"willcall: {NO_ACCOUNTS}")
