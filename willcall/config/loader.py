"""Load the configuration: one TOML file, and the environment's variables over it. Every mistake is reported at once."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from willcall.config.accounts import find_account, read_accounts
from willcall.config.environment import FILE_VARIABLE, overlay
from willcall.config.settings import Settings
from willcall.orders.errors import FieldError, WillcallError
from willcall.orders.submission import field_errors_of
from willcall.providers.base import Account
from willcall.providers.registry import ADAPTERS

DEFAULT_FILE = "willcall.toml"


class ConfigError(WillcallError):
    """The configuration has errors, all of which are in `errors`."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. `accounts` are by their key, `<provider>/<account>`."""

    settings: Settings
    accounts: Mapping[str, Account]

    def account(self, provider: str, name: str) -> Account:
        """Return an account. Raises UnknownAccountError."""
        return find_account(self.accounts, provider, name)

    @property
    def broker_url(self) -> str:
        """The broker of task messages: `redis_url` unless `broker_url` is set."""
        url = self.settings.broker_url or self.settings.redis_url
        return url.replace("unix://", "redis+socket://", 1)


def load(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Config:
    """Load the file and the environment. Raises ConfigError with every error in them."""
    environment = os.environ if environment is None else environment
    document, errors = _read_file(environment, folder or Path())
    errors += overlay(document, environment, {*Settings.model_fields, "providers"}, _annotation)
    accounts, account_errors = read_accounts(document.pop("providers", {}))
    settings = Settings()
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        errors += field_errors_of(error)
    errors += account_errors
    if errors:
        raise ConfigError(errors)
    return Config(settings, accounts)


def _read_file(environment: Mapping[str, str], folder: Path) -> tuple[dict[str, Any], list[FieldError]]:
    named = environment.get(FILE_VARIABLE)
    path = Path(named) if named else folder / DEFAULT_FILE
    if not named and not path.exists():
        return {}, []
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        return {}, [FieldError(str(path), f"cannot be read: {reason}")]
    except tomllib.TOMLDecodeError as error:
        return {}, [FieldError(str(path), f"is not TOML: {error}")]


def _annotation(path: Sequence[str]) -> Any:
    """Return the type of the setting at a path, or `None` for an unknown one."""
    kind: Any = Settings
    if path[0] == "providers":
        adapter = ADAPTERS.get(path[1]) if len(path) > 1 else None
        kind, path = adapter and adapter.credentials, path[3:]
    for name in path:
        fields = kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}
        kind = fields[name].annotation if name in fields else None
    return kind
