"""The clients: backends with keys, orders and secrets of their own."""

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from willcall.orders.errors import FieldError
from willcall.orders.submission import NAME_PATTERN, check_web_url
from willcall.setting_types.secrets import Key, OneOrMore, SigningSecret, ZeroOrMore
from willcall.setting_types.table import ConfigTable

#: The pattern of all accounts.
ANY_ACCOUNT = "*"
#: `*`, or `<provider>/<account>`, in which `*` stands for any characters and `?` for one.
_PATTERN = re.compile(r"\*|[A-Za-z0-9_*?-]+/[A-Za-z0-9_*?-]+")


def _account_pattern(value: str) -> str:
    if not _PATTERN.fullmatch(value):
        raise ValueError("must be an account such as tiqets/default, or a pattern such as tiqets/*")
    return value


#: The address of a backend; an empty text counts as none.
CallbackUrl = Annotated[
    Annotated[str, Field(max_length=2_048), AfterValidator(check_web_url)] | None,
    BeforeValidator(lambda url: url or None),
]


class ClientSettings(ConfigTable):
    """A backend that sees and changes only its own orders.

    `accounts`: those that it may submit orders for. Without `secret` or `callback_url`, those of `notify` apply.
    """

    keys: OneOrMore[Key]
    accounts: OneOrMore[Annotated[str, AfterValidator(_account_pattern)]] = (ANY_ACCOUNT,)
    secret: ZeroOrMore[SigningSecret] = ()
    callback_url: CallbackUrl = Field(default=None, repr=False)

    def may_use(self, account_key: str) -> bool:
        """Return whether the client may submit orders for an account."""
        return any(fnmatchcase(account_key, pattern) for pattern in self.accounts)


def _check_names(clients: dict[str, ClientSettings]) -> dict[str, ClientSettings]:
    before: dict[str, str] = {}
    for name in clients:
        twin = before.setdefault(name.lower(), name)
        if not re.fullmatch(NAME_PATTERN, name):
            raise ValueError("names have 1 to 64 letters, digits, _ and -, starting with a letter or digit")
        if twin != name:
            raise ValueError(
                f"{name} differs from {twin} only in case, and environment variables are read in lower case"
            )
    return clients


#: The clients by their names.
Clients = Annotated[dict[str, ClientSettings], AfterValidator(_check_names)]


def unused_patterns(clients: Mapping[str, ClientSettings], accounts: Iterable[str]) -> Iterator[FieldError]:
    """Yield the patterns that match none of the accounts, which are probably typing errors."""
    known = list(accounts)
    for name, client in clients.items():
        for number, pattern in enumerate(client.accounts):
            if pattern != ANY_ACCOUNT and not any(fnmatchcase(account, pattern) for account in known):
                why = f"{pattern} matches no account that is configured"
                yield FieldError(f"api.clients.{name}.accounts.{number}", why)
