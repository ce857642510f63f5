"""The settings `proxy` and `ca_file`, of accounts and of `outbound`."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr

from willcall.http.routes import Authorities, Route, parse_authorities, parse_proxy
from willcall.setting_types.files import read_file
from willcall.setting_types.secrets import Secret
from willcall.setting_types.table import ConfigTable

#: Largest file of certificates; the usual bundle of all public authorities has 300 kB.
_MAX_BYTES = 2_097_152


def _check_proxy(url: SecretStr) -> SecretStr:
    parse_proxy(url.get_secret_value())
    return url


def _read_authorities(path: object) -> Authorities | None:
    if path is None or path == "":
        return None
    if not isinstance(path, str):
        raise ValueError("must be the path of a file")  # noqa: TRY004 - pydantic reports ValueErrors
    try:
        return parse_authorities(read_file(Path(path), _MAX_BYTES))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


#: The address of a proxy; an empty text counts as none.
ProxyUrl = Annotated[
    Annotated[Secret, AfterValidator(_check_proxy)] | None, BeforeValidator(lambda url: None if url == "" else url)
]
#: The certificates in a file. They are the value, not the path, so that a reload notices that the file has changed.
CaFile = Annotated[Authorities | None, BeforeValidator(_read_authorities)]


class RouteTable(ConfigTable):
    """A table with these settings."""

    proxy: ProxyUrl = None
    ca_file: CaFile = None

    @property
    def route(self) -> Route:
        """The route that they describe."""
        return Route(parse_proxy(self.proxy.get_secret_value()) if self.proxy else None, self.ca_file)
