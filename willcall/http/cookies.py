"""The cookies of one fetch: document servers set one and redirect to themselves, or to a sign-in page and back.

They exist only during the fetch. `http.cookiejar` decides which request gets which, by domain, path, scheme and expiry,
as browsers do. A server that sets a cookie for its whole domain also chooses the redirect, so it learns nothing that it
could not have put into the URL.
"""

from collections.abc import Sequence
from email.message import Message
from http.cookiejar import CookieJar, DefaultCookiePolicy
from io import BytesIO
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit
from urllib.request import Request
from urllib.response import addinfourl

if TYPE_CHECKING:
    from http.client import HTTPResponse

#: Limits of one fetch. Browsers store 50 cookies of 4,096 bytes per domain; servers accept headers of that length.
_MOST_LINES = 50
_LONGEST_LINE = 4_096
_MOST_BYTES = 16_384

_DEFAULT_PORTS = {None, 80, 443}
#: A cookie without `Domain` goes only to the host that set it; by default `http.cookiejar` sends it to subdomains too.
_STRICT = DefaultCookiePolicy.DomainStrictNonDomain


class Cookies:
    """Cookies by the server that set them."""

    def __init__(self) -> None:
        self._jars: dict[int | None, CookieJar] = {}
        self._lines_left, self._bytes_left = _MOST_LINES, _MOST_BYTES

    def receive(self, url: str, lines: Sequence[str]) -> None:
        """Store the cookies of a response's `Set-Cookie` lines. Lines beyond the limits are ignored."""
        headers = Message()
        for line in lines:
            if self._lines_left <= 0 or len(line) > min(_LONGEST_LINE, self._bytes_left) or not line.isprintable():
                continue
            self._lines_left -= 1
            self._bytes_left -= len(line)
            headers["Set-Cookie"] = line
        if headers:
            response = addinfourl(BytesIO(), headers, url)
            self._jar(url).extract_cookies(cast("HTTPResponse", response), _request(url))

    def header(self, url: str) -> str | None:
        """Return the value of `Cookie` for a request, or `None`."""
        if not self._jars:
            return None
        request = _request(url)
        self._jar(url).add_cookie_header(request)
        return request.get_header("Cookie")

    def _jar(self, url: str) -> CookieJar:
        """Return the jar of a server. Another port is another server, but http and https are one."""
        port = urlsplit(url).port
        jar = CookieJar(DefaultCookiePolicy(strict_ns_domain=_STRICT))
        return self._jars.setdefault(None if port in _DEFAULT_PORTS else port, jar)


def _request(url: str) -> Request:
    return Request(url)  # noqa: S310 - it is not sent
