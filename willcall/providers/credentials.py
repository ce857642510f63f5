"""The provider-specific part of an account's table in the configuration: its address and our keys."""

import unicodedata
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, field_validator

T = TypeVar("T")

#: The most common mistake in a secret that was copied from a file.
LINE_BREAK = "(does it end with a line break?)"
#: Control characters, and the separators of lines and paragraphs. https://www.unicode.org/reports/tr44/#General_Category_Values
_UNSENDABLE = {"Cc", "Zl", "Zp"}


def check_line(value: T) -> T:
    """Return `value`. Raises ValueError for text, secret or not, of more than one line."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(text, str) and any(unicodedata.category(character) in _UNSENDABLE for character in text):
        raise ValueError(f"must have no line break or other control character {LINE_BREAK}")
    return value


def _safe_url(value: str) -> str:
    """Return an https URL, or an http one of this machine (a simulator), without a trailing slash."""
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be an http(s) URL without credentials")
    if parts.query or parts.fragment:
        raise ValueError("must have no query and no fragment")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("must be https (http is for a simulator on this machine)")
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _header_secret(value: SecretStr) -> SecretStr:
    secret = value.get_secret_value()
    if not secret:
        raise ValueError("must not be empty")
    if not all("!" <= character <= "~" for character in secret):
        raise ValueError(f"must be printable ASCII without blanks {LINE_BREAK}")
    return value


def _path_secret(value: SecretStr) -> SecretStr:
    if any(character in "/?#%" for character in value.get_secret_value()):
        raise ValueError("must not contain any of / ? # %, because it is part of a URL's path")
    return value


#: A provider's address in an account's table.
ProviderUrl = Annotated[str, AfterValidator(_safe_url)]
#: A secret that is sent in a header unchanged.
HeaderSecret = Annotated[SecretStr, AfterValidator(_header_secret)]


class Credentials(BaseModel):
    """Base of every provider's table. Secrets are `pydantic.SecretStr`, so that no log, error or repr shows them."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: ProviderUrl

    _lines = field_validator("*")(check_line)

    def document_headers(self) -> Mapping[str, str]:
        """Return the headers that authorize the download of a document under `base_url`; most links need none."""
        return {}


class PushCredentials(Credentials):
    """The same for a provider that sends webhooks. `webhook_token` is the secret part of our address."""

    webhook_token: Annotated[HeaderSecret, AfterValidator(_path_secret)] | None = None


def webhook_token(credentials: Credentials) -> str | None:
    """Return the secret part of the address that the provider calls, or `None` if webhooks are not set up."""
    token = credentials.webhook_token if isinstance(credentials, PushCredentials) else None
    return token.get_secret_value() if token else None
