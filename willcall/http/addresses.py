"""Which IP addresses are the internet's, and which belong to somebody's own network."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: https://www.iana.org/assignments/iana-ipv4-special-registry and what clouds answer on beyond it.
_SPECIAL_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; 0.0.0.0 connects to this machine
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' and clouds' inside
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's platform service on a public-looking address
        "169.254.0.0/16",  # link-local, clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
#: The one block of which public addresses are given out: all else, such as fc00::/7, fe80::/10, ff00::/8, addresses
#: that hold a v4 one (::ffff:0:0/96) and NAT64 (64:ff9b::/96), lies outside. https://www.iana.org/assignments/ipv6-address-space
_PUBLIC_V6 = IPv6Network("2000::/3")
#: https://www.iana.org/assignments/iana-ipv6-special-registry
_SPECIAL_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST_NAME = 253


def is_public(address: Address) -> bool:
    """Whether the address is one of the internet's, reachable from anywhere."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _SPECIAL_V6)


def held_v4(address: Address) -> IPv4Address | None:
    """The v4 address that a v6 one stands for (v4-mapped, 6to4, NAT64), None where it stands for none."""
    if isinstance(address, IPv4Address):
        return None
    nat64 = IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None
    return address.ipv4_mapped or address.sixtofour or nat64


def parse_allowed(entry: str) -> Network | str:
    """An entry of `outbound.allow`: a network, an address (a network of one), or a host name in lower case.

    Raises ValueError, in words for whoever wrote it.
    """
    try:
        return ip_network(entry)
    except ValueError:
        pass
    try:
        meant = ip_network(entry, strict=False)
    except ValueError:
        return _host_name(entry)
    raise ValueError(f"has bits beyond its length; is {meant} meant?")


def parse_address(text: str) -> Address | None:
    """An IP address, also in brackets; None for anything else."""
    try:
        return ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def plain_name(host: str) -> str:
    """A host's name as it is compared: lower case, no dot at the end."""
    return host.lower().removesuffix(".")


def _host_name(entry: str) -> str:
    name = plain_name(entry)
    labels = name.split(".")
    if len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise ValueError(
            "is neither a network (10.0.0.0/8), an address nor a host's full name (no scheme, port, path or wildcard)"
        )
    return name
