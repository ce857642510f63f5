"""Where requests to addresses from outside may go: to the internet, and to what `outbound.allow` names."""

import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from willcall.http.addresses import Address, held_v4, is_public, parse_address, parse_allowed, plain_name

#: Longest URL that is used.
LONGEST_URL = 8_192
#: What is said of an address of our own network.
NOT_PUBLIC = "not public, nor named by `outbound.allow`"

_UNFIT = re.compile(r"[^\x21-\x7e]|\\")


class AddressGuard:
    """Refuses what is neither public nor allowed. It looks nothing up: it is asked about each address connected to."""

    def __init__(self, allow: Sequence[str] = ()) -> None:
        """`allow`: networks, addresses and host names. Raises ValueError for anything else."""
        entries = [parse_allowed(entry) for entry in allow]
        self._names = {entry for entry in entries if isinstance(entry, str)}
        self._networks = [entry for entry in entries if not isinstance(entry, str)]

    def refusal(self, url: str) -> str | None:
        """Why a URL is refused before anything is looked up, None where it is not; does not repeat the URL."""
        if len(url) > LONGEST_URL or _UNFIT.search(url):
            return "the URL is too long or has characters that no URL has"
        try:
            parts = parse_url(url)  # as it will be parsed when it is used, so that both mean the same host
        except LocationParseError:
            return "the URL cannot be read"
        wrong = {
            "the URL is neither http nor https": parts.scheme not in {"http", "https"},
            "the URL holds credentials": parts.auth is not None,
            "the URL names no host or no port": not parts.host or parts.port == 0,
            f"the address is {NOT_PUBLIC}": not self._fit(parts.host or ""),
        }
        return next((why for why, is_so in wrong.items() if is_so), None)

    def admits(self, host: str, address: str) -> bool:
        """Whether `address`, which the name `host` was found to have, may be connected to."""
        if plain_name(host) in self._names:
            return True
        parsed = parse_address(address)
        return parsed is not None and (is_public(parsed) or self._allowed(parsed))

    def _fit(self, host: str) -> bool:
        """Whether the host is a name, which is looked up and checked later, or an address that may be connected to."""
        address = parse_address(host) or _as_resolvers_read(host)
        return address is None or self.admits(host, str(address))

    def _allowed(self, address: Address) -> bool:
        held = held_v4(address)
        return any(address in network or (held is not None and held in network) for network in self._networks)


def _as_resolvers_read(host: str) -> IPv4Address | None:
    """The address behind `2130706433`, `0x7f.1` and the like, which no name look-up is made for."""
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None
