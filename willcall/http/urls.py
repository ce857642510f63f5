"""Read URLs as servers write them: with blanks, non-ASCII letters, fragments, or relative to another one."""

import re
from collections.abc import Iterator
from string import punctuation
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from idna import IDNAError
from idna import encode as idna_encode
from urllib3.util import Url, parse_url

_DEFAULT_PORTS = {"http": 80, "https": 443}
#: Scheme and authority. Text before an `@` is not the host; the guard refuses it.
_AUTHORITY = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*:)?//(?P<authority>[^/?#\\]*)", re.IGNORECASE)
#: Characters that browsers drop from the middle of a URL.
_DROPPED = re.compile(r"[\t\r\n]")
#: Characters that every parser reads alike. Some take a backslash for a slash.
_UNAMBIGUOUS = re.compile(r"[!-\[\]-~]*")

_Origin = tuple[str | None, str | None, int | None]


class RedirectError(Exception):
    """A redirect cannot be followed. The message does not repeat the URL."""


def escape(url: str) -> str:
    """Return the URL in ASCII, as browsers send it: the host in IDNA, blanks and non-ASCII letters percent-encoded."""
    url = _DROPPED.sub("", url.strip())
    match = _AUTHORITY.match(url)
    if match and not match["authority"].isascii():
        url = f"{url[: match.start('authority')]}{_ascii_host(match['authority'])}{url[match.end('authority') :]}"
    return quote(url, safe=punctuation, errors="replace")


def is_below(url: str, base: str) -> bool:
    """Return whether a request for a URL is sent to the origin of `base`, and to its path or one below it.

    The path is compared as it is sent, without dot segments. A percent-encoded `..` below the base is refused: servers
    and proxies decode it, some of them twice.
    """
    if not _UNAMBIGUOUS.fullmatch(url):
        return False
    try:
        parts, base_parts = parse_url(url), parse_url(base)
    except ValueError:
        return False
    segments, base_segments = _segments(parts), _segments(base_parts)
    below = segments[len(base_segments) :]
    return (
        parts.auth is None
        and _origin(parts) == _origin(base_parts)
        and segments[: len(base_segments)] == base_segments
        and not leaves_path("/".join(below))
    )


def leaves_path(path: str) -> bool:
    """Return whether a relative path may lead out of the one before it, by any number of percent-decodings."""
    return any(
        segment.partition(";")[0] == ".."  # parameters of a segment, as in `..;a=b/`
        for decoded in _decodings(path)
        for segment in decoded.replace("\\", "/").split("/")
    )


def _decodings(text: str) -> Iterator[str]:
    """Iterate over a text, and over what each percent-decoding makes of it, until none changes it."""
    decoded = unquote(text)
    yield text
    while decoded != text:
        text, decoded = decoded, unquote(decoded)
        yield text


def redirect_target(url: str, location: str) -> str:
    """Return where a redirect leads, without its fragment; `location` is the header as it was received, in Latin-1.

    A redirect from https to http is an error, except to the same host: servers behind a proxy that ends TLS often write
    `http` for themselves, which is read as https. Raises RedirectError.
    """
    try:
        target = urljoin(url, escape(_decoded(location)))
        parts = urlsplit(target)
        if urlsplit(url).scheme == "https" and parts.scheme == "http":
            if (
                parts.hostname != urlsplit(url).hostname
                or parts.port not in {None, 80}
                or urlsplit(url).port not in {None, 443}
            ):
                raise RedirectError("a redirect leads from https to http")
            parts = parts._replace(scheme="https", netloc=parts.netloc.removesuffix(":80"))
    except ValueError:
        raise RedirectError("a redirect's URL cannot be read") from None
    return urlunsplit(parts._replace(fragment=""))


def _origin(parts: Url) -> _Origin:
    return parts.scheme, parts.host, parts.port or _DEFAULT_PORTS.get(parts.scheme or "")


def _segments(parts: Url) -> list[str]:
    return (parts.path or "").rstrip("/").split("/")


def _decoded(location: str) -> str:
    """Return a header's text: as UTF-8 if its bytes are valid UTF-8, otherwise unchanged."""
    try:
        return location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return location


def _ascii_host(authority: str) -> str:
    host, colon, port = authority.partition(":")
    try:
        return idna_encode(host, uts46=True).decode() + colon + port
    except IDNAError:
        return authority
