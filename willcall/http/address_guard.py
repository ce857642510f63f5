"""Restrict requests to URLs from outside to the internet and to what `outbound.allow` names."""

import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Longest URL that is used.
LONGEST_URL = 8_192
NOT_ALLOWED = "not in `outbound.allow`"
#: The end of the message about an address in our own network.
NOT_PUBLIC = f"not public, and {NOT_ALLOWED}"

#: Networks that `is_global` accepts in some or all Python versions, but that no internet server uses.
#: https://www.iana.org/assignments/iana-ipv4-special-registry
#: https://www.iana.org/assignments/iana-ipv6-special-registry
_NOT_PUBLIC = (
    IPv4Network("168.63.129.16/32"),  # a cloud's platform service on a public-looking address
    IPv4Network("192.0.0.0/24"),  # protocol assignments
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("224.0.0.0/4"),  # multicast
    IPv6Network("2001::/23"),  # protocol assignments, Teredo among them
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),  # documentation
)
#: The only block from which public addresses are assigned. Addresses that contain a v4 one (::ffff:0:0/96) and NAT64
#: (64:ff9b::/96) lie outside. https://www.iana.org/assignments/ipv6-address-space
_PUBLIC_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")

#: Names that resolve only within a private network, as do those without a dot.
#: https://www.iana.org/assignments/special-use-domain-names
_LOCAL_NAMES = {"localhost", "home.arpa"}
_LOCAL_DOMAINS = (".localhost", ".local", ".internal", ".home.arpa")

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST_NAME = 253
_INVALID = re.compile(r"[^\x21-\x7e]|\\")


class AddressGuard:
    """Refuses addresses that are neither public nor allowed.

    It resolves no names: connections check each address with it before they use it.
    """

    def __init__(self, allow: Sequence[str] = ()) -> None:
        """`allow`: networks, addresses and host names. Raises ValueError for anything else."""
        entries = [parse_allowed(entry) for entry in allow]
        self._names = {entry for entry in entries if isinstance(entry, str)}
        self._networks = [entry for entry in entries if not isinstance(entry, str)]

    def refusal(self, url: str) -> str | None:
        """Return why a URL is refused before its host is resolved, or `None`. Does not repeat the URL."""
        if len(url) > LONGEST_URL or _INVALID.search(url):
            return "the URL is too long or has characters that no URL has"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return "the URL cannot be read"
        problems = {
            "the URL is neither http nor https": parts.scheme not in {"http", "https"},
            "the URL holds credentials": "@" in parts.netloc,
            "the URL names no host or no port": not parts.hostname or port == 0,
            f"the address is {NOT_PUBLIC}": not self._admits_host(parts.hostname or ""),
        }
        return next((why for why, applies in problems.items() if applies), None)

    def refusal_in_advance(self, url: str) -> str | None:
        """Return why requests to a URL will be refused, or `None` if that depends on what its host resolves to.

        A local name can only resolve to a private address, and is refused unless it or some network is allowed.
        """
        why = self.refusal(url)
        if why is None and not self._networks and self._is_local_name(urlsplit(url).hostname or ""):
            return f"the host is in a private network, and {NOT_ALLOWED}"
        return why

    def _is_local_name(self, host: str) -> bool:
        name = _plain_name(host)
        is_local = name in _LOCAL_NAMES or name.endswith(_LOCAL_DOMAINS) or "." not in name
        return is_local and name not in self._names and (_parse_address(host) or _as_resolvers_read(host)) is None

    def admits(self, host: str, address: str) -> bool:
        """Return whether connections to `address`, to which the name `host` resolved, are allowed."""
        if _plain_name(host) in self._names:
            return True
        parsed = _parse_address(address)
        return parsed is not None and (is_public(parsed) or self._is_allowed(parsed))

    def _admits_host(self, host: str) -> bool:
        """Return whether the host is an allowed address, or a name, which is checked once it is resolved."""
        address = _parse_address(host) or _as_resolvers_read(host)
        return address is None or self.admits(host, str(address))

    def _is_allowed(self, address: Address) -> bool:
        inner = embedded_v4(address)
        return any(address in network or (inner is not None and inner in network) for network in self._networks)


def is_public(address: Address) -> bool:
    """Return whether an address is reachable from anywhere on the internet."""
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and (isinstance(address, IPv4Address) or address in _PUBLIC_V6)


def embedded_v4(address: Address) -> IPv4Address | None:
    """Return the v4 address that a v6 one embeds (v4-mapped, 6to4, NAT64), or `None`."""
    if isinstance(address, IPv4Address):
        return None
    nat64 = IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None
    return address.ipv4_mapped or address.sixtofour or nat64


def parse_allowed(entry: str) -> Network | str:
    """Read an entry of `outbound.allow`: a network, an address (a network of one), or a host name.

    Raises ValueError with a message for operators.
    """
    try:
        return ip_network(entry)
    except ValueError:
        pass
    try:
        meant = ip_network(entry, strict=False)
    except ValueError:
        return _host_name(entry)
    raise ValueError(f"has host bits set; did you mean {meant}?")


def _parse_address(text: str) -> Address | None:
    """Return an IP address, with or without brackets, or `None`."""
    try:
        return ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def _as_resolvers_read(host: str) -> IPv4Address | None:
    """Return the address that forms such as `2130706433` and `0x7f.1` mean; they are not resolved as names."""
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _plain_name(host: str) -> str:
    return host.lower().removesuffix(".")


def _host_name(entry: str) -> str:
    name = _plain_name(entry)
    labels = name.split(".")
    if len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise ValueError(
            "is neither a network (10.0.0.0/8), an address nor a full host name (no scheme, port, path or wildcard)"
        )
    return name
