"""Which `Host` headers are accepted without a password.

A web page may give its own name the address of this machine (DNS rebinding). The browser then sends requests here, and
lets the page read the answers. They still name the page's host.
"""

import re
from ipaddress import ip_address

from willcall.api.security import is_loopback_host
from willcall.api.server import loopback_only

_HOST = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^\[\]:/@?#\s]+)(:\d{1,5})?", re.IGNORECASE)


def accepts_host(header: str, listens_on: str) -> bool:
    """Return whether a `Host` header names this machine, or the host that the server listens on.

    A server that listens beyond loopback accepts every address, because a rebound name is none.
    """
    if is_loopback_host(header):
        return True
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    host = match["host"].strip("[]")
    return host.lower() == listens_on.lower() or (_is_address(host) and not loopback_only(listens_on))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
