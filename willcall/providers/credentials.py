"""The provider-specific part of an account's table in the configuration: its address and our keys."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from willcall.setting_types.secrets import OneOrMore, PathKey
from willcall.setting_types.table import ConfigTable


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


#: A provider's address in an account's table.
ProviderUrl = Annotated[str, AfterValidator(_safe_url)]


class Credentials(ConfigTable):
    """Base of every provider's table. The types of secrets are in `willcall/setting_types/secrets.py`."""

    base_url: ProviderUrl

    def document_headers(self) -> Mapping[str, str]:
        """Return the headers that authorize the download of a document under `base_url`; most links need none."""
        return {}


class PushCredentials(Credentials):
    """The same for a provider that sends webhooks. Each `webhook_token` is the secret part of our address."""

    webhook_token: OneOrMore[PathKey] | None = None


def webhook_tokens(credentials: Credentials) -> tuple[SecretStr, ...]:
    """Return the secret parts of the addresses that the provider may call: none if webhooks are not set up."""
    return (credentials.webhook_token or ()) if isinstance(credentials, PushCredentials) else ()
