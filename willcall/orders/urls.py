"""Redact and compare URLs: a URL may contain a token, or be a ticket itself."""

from urllib.parse import urlsplit


def web_host(url: str) -> str | None:
    """Return the host of an http(s) URL, or `None` for anything that must not become a link."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.hostname if parts.scheme in {"http", "https"} else None


def callback_host(url: str) -> str:
    """Return the host and port of a callback URL, by which backends are distinguished."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def redact_callback_url(url: str) -> str:
    """Return a callback URL without the values of its query, where backends put tokens.

    >>> redact_callback_url("https://shop.example/hook?token=abc&x")
    'https://shop.example/hook?token=***&***'
    """
    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    query = "&".join(f"{name}=***" if equals else "***" for name, equals, _ in pairs)
    return f"{base}?{query}" if parts.query else base


def without_query(url: str | None) -> str | None:
    """Return a URL without its query, which providers may sign anew for each response."""
    return url and url.partition("?")[0]
