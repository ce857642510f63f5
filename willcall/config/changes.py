"""What differs between two configurations: for the log, for what needs a restart, and as a digest."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from pydantic import BaseModel, SecretStr

from willcall.config.loader import Config

#: Settings that a process only uses when it starts. A table stands for the settings in it.
RESTART_ONLY = ("redis_url", "broker_url", "documents_url", "log_format", "metrics")
#: Hexadecimal digits of a digest. So few bits can't confirm a guess at a secret, as thousands of guesses would have the
#: same digest, but two configurations that differ have different ones in all but one of 65,536 cases.
_DIGITS = 4


def keep_until_restart(old: Config, new: Config) -> tuple[Config, tuple[str, ...]]:
    """Return `new` with the settings of `old` that need a restart, and the names of those that differ."""
    kept = {name: getattr(old.settings, name) for name in RESTART_ONLY}
    changed = [name for table in RESTART_ONLY for name in _differing(table, kept[table], getattr(new.settings, table))]
    return replace(new, settings=new.settings.model_copy(update=kept)), tuple(changed)


def describe_changes(old: Config, new: Config) -> dict[str, list[str]]:
    """Return the names of what was added, removed and changed; no values."""
    settings = [name for name in type(new.settings).model_fields if _of(old, name) != _of(new, name)]
    both = old.accounts.keys() & new.accounts.keys()
    found = {
        "settings": settings,
        "added": sorted(new.accounts.keys() - old.accounts.keys()),
        "removed": sorted(old.accounts.keys() - new.accounts.keys()),
        "changed": sorted(key for key in both if old.accounts[key] != new.accounts[key]),
    }
    return {what: names for what, names in found.items() if names}


def config_digest(config: Config, key: str) -> str:
    """Return a short digest of everything that a reload replaces, keyed with `key`."""
    settings = {name: _of(config, name) for name in type(config.settings).model_fields if name not in RESTART_ONLY}
    content = json.dumps(_plain({"settings": settings, "accounts": config.accounts}), sort_keys=True)
    return hmac.new(key.encode(), content.encode(), "sha256").hexdigest()[:_DIGITS]


def _differing(name: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, BaseModel):
        return [f"{name}.{field}" for field, value in old if value != getattr(new, field)]
    return [name] if old != new else []


def _of(config: Config, name: str) -> Any:
    return getattr(config.settings, name)


def _plain(value: Any) -> Any:
    """Return a value as JSON, with its secrets."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, BaseModel):
        return {name: _plain(inner) for name, inner in value}
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, bool | int | float | str | None) else type(value).__name__
