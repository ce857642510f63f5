"""Load the configuration: one TOML file, and the environment's variables over it. Every mistake is reported at once."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from willcall.config.accounts import account_schema, find_account, read_accounts
from willcall.config.callback_urls import callback_url_errors
from willcall.config.clients import unused_patterns
from willcall.config.environment import FILE_VARIABLE, overlay
from willcall.config.keys import key_errors
from willcall.config.schema import ANY_NAME, Schema, table_errors, table_schema
from willcall.config.settings import Settings
from willcall.orders.errors import FieldError, WillcallError
from willcall.providers.base import Account
from willcall.providers.registry import ADAPTERS
from willcall.setting_types.files import read_file

DEFAULT_FILE = "willcall.toml"
#: Largest file that is read.
_MAX_BYTES = 16 * 1024 * 1024


class ConfigError(WillcallError):
    """The configuration has errors, all of which are in `errors`. `warnings` may explain them."""

    def __init__(self, errors: list[FieldError], warnings: Sequence[FieldError] = ()) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors
        self.warnings = warnings


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. `accounts` are by their key, `<provider>/<account>`.

    `warnings` name what has no effect: environment variables, and patterns that match no account. `file` is the
    one that was read.
    """

    settings: Settings
    accounts: Mapping[str, Account]
    warnings: Sequence[FieldError] = field(default=(), compare=False)
    file: Path | None = None

    def account(self, provider: str, name: str) -> Account:
        """Return an account. Raises UnknownAccountError."""
        return find_account(self.accounts, provider, name)

    @property
    def broker_url(self) -> str:
        """The broker of task messages: `redis_url` unless `broker_url` is set."""
        return self.settings.broker_url or self.settings.redis_url


def load(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Config:
    """Load the file and the environment. Raises ConfigError with every error in them."""
    environment = os.environ if environment is None else environment
    path = _file(environment, folder or Path())
    document, errors = _read_file(path) if path else ({}, [])
    schema = _schema()
    variable_errors, warnings = overlay(document, environment, schema)
    errors += variable_errors
    accounts, account_errors = read_accounts(document.pop("providers", {}))
    settings = Settings()
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        errors += table_errors(error, schema)
    errors += account_errors
    if not errors:
        errors += [*key_errors(settings, accounts.values()), *callback_url_errors(settings)]
    if errors:
        raise ConfigError(errors, warnings)
    return Config(settings, accounts, [*warnings, *unused_patterns(settings.api.clients, accounts)], path)


def _schema() -> Mapping[str, Schema]:
    providers = {name: {ANY_NAME: account_schema(adapter)} for name, adapter in ADAPTERS.items()}
    return {**table_schema(Settings), "providers": providers}


def _file(environment: Mapping[str, str], folder: Path) -> Path | None:
    """Return the file to read: the one that is named, else the default if it exists."""
    named, default = environment.get(FILE_VARIABLE), folder / DEFAULT_FILE
    return Path(named) if named else default if default.exists() else None


def _read_file(path: Path) -> tuple[dict[str, Any], list[FieldError]]:
    try:
        return tomllib.loads(read_file(path, _MAX_BYTES).decode("utf-8-sig")), []
    except OSError as error:
        return {}, [FieldError(str(path), f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError:
        return {}, [FieldError(str(path), "is not UTF-8")]
    except tomllib.TOMLDecodeError as error:
        return {}, [FieldError(str(path), f"is not TOML: {error}")]
    except ValueError as error:
        return {}, [FieldError(str(path), str(error))]
