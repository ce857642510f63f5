"""How connections are made: directly or through a proxy, and which authorities are trusted."""

import re
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ENCODE = "write / ? # @ in a password as %2F %3F %23 %40"
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy, to which connections are encrypted if `tls`."""

    host: str
    port: int
    tls: bool
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def authorization(self) -> str | None:
        """The header `Proxy-Authorization`."""
        if not self.username and not self.password:
            return None
        return f"Basic {b64encode(f'{self.username}:{self.password}'.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class Authorities:
    """Certificates of authorities that are trusted besides the usual ones, as PEM."""

    pem: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Route:
    """How the hosts of an account, or of URLs from outside, are reached."""

    proxy: Proxy | None = None
    authorities: Authorities | None = None


#: Directly, with the usual authorities.
DIRECT = Route()


def parse_proxy(url: str) -> Proxy:
    """Read `http(s)://user:password@host:port`. Raises ValueError, whose message does not repeat the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"is not a URL; {_ENCODE}") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == 0:
        raise ValueError("must be http(s)://host:port or http(s)://user:password@host:port")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"must have nothing after the port; {_ENCODE}")
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if ":" in username:
        raise ValueError("must have no colon in the user name")
    return Proxy(parts.hostname, port or _DEFAULT_PORTS[parts.scheme], parts.scheme == "https", username, password)


def parse_authorities(content: bytes) -> Authorities:
    """Read the certificates of a PEM file, and nothing else that is in it. Raises ValueError."""
    pem = "\n".join(_CERTIFICATE.findall(content.decode("latin-1")))
    if not pem:
        raise ValueError("has no certificate in PEM")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise ValueError("has a certificate that cannot be read") from None
    return Authorities(pem)
