"""Check that each of our keys stands in one list only: it decides what its holder may do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import BaseModel, SecretStr

from willcall.config.settings import Settings
from willcall.orders.errors import FieldError
from willcall.providers.base import Account
from willcall.providers.credentials import webhook_tokens


def key_errors(settings: Settings, accounts: Iterable[Account]) -> Iterator[FieldError]:
    """Yield an error for each key that an earlier list holds too. Within a list, a key may be repeated."""
    holders: dict[str, str] = {}
    for path, keys in _key_lists(settings, accounts):
        for key in keys:
            holder = holders.setdefault(key.get_secret_value(), path)
            if holder != path:
                yield FieldError(path, f"has a key that {holder} has too; give each its own")


def _key_lists(settings: Settings, accounts: Iterable[Account]) -> Iterator[tuple[str, Sequence[SecretStr]]]:
    yield from _lists_in(settings.api, "api")
    for account in accounts:
        yield f"providers.{account.provider}.{account.name}.webhook_token", webhook_tokens(account.credentials)


def _lists_in(table: BaseModel, path: str) -> Iterator[tuple[str, Sequence[SecretStr]]]:
    """Yield the lists named `keys` or `..._keys` of a table and the tables in it."""
    for name, value in table:
        if name.endswith("keys"):
            yield f"{path}.{name}", value
        elif isinstance(value, Mapping):
            for entry, inner in value.items():
                yield from _lists_in(inner, f"{path}.{name}.{entry}")
