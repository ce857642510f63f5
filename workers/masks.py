"""The last layer before a line leaves: no secret of the configuration stands in it, wherever it came from."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

from pydantic import BaseModel, SecretStr

from willcall.config import Config

#: What stands in a secret's place.
REDACTED = "***"
#: Shorter ones, such as a password `dev`, are parts of too many words to be found in a line.
SHORTEST = 4

#: A password in a URL; those of Sentinels have two.
_PASSWORD = re.compile(r"(?<=:)[^/@:]+(?=@)|(?<=password=)[^&#]+")


def secrets_of(config: Config) -> set[str]:
    """Every secret value of a configuration: those typed as such, passwords in URLs, headers made of them."""
    settings = config.settings
    secrets = {*_hidden(settings)}
    for url in (settings.redis_url, settings.broker_url, settings.documents_url):
        secrets |= {unquote(password) for password in _PASSWORD.findall(url)}
    for account in config.accounts.values():
        secrets |= {*_hidden(account.credentials)}
        secrets |= {header.rpartition(" ")[2] for header in account.credentials.document_headers().values()}
    return secrets


class Redactor:
    """A processor for rendered lines. About 0.1 µs a secret."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """`secrets` as they are; they are also found percent-encoded, and as JSON writes them."""
        forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, _: object, __: str, line: Any) -> str:
        """The line, which is text by now, without them."""
        for form in self._forms:
            if form in line:
                line = line.replace(form, REDACTED)
        return str(line)


def _forms(secret: str) -> set[str]:
    return {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]}


def _hidden(value: Any) -> Iterator[str]:
    """The secret values inside a setting."""
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case BaseModel():
            for _, inner in value:
                yield from _hidden(inner)
        case Mapping():
            for inner in value.values():
                yield from _hidden(inner)
        case list() | tuple() | set() | frozenset():
            for inner in value:
                yield from _hidden(inner)
