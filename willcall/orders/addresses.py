"""What people are shown of addresses, which may hold tokens or be tickets themselves."""

from urllib.parse import urlsplit


def web_host(url: str) -> str | None:
    """The host of an address that may be followed, None for anything but http(s)."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.hostname if parts.scheme in {"http", "https"} else None
