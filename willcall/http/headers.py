"""The headers of requests and responses that are the same for everyone."""

from importlib.metadata import PackageNotFoundError, version

from urllib3.response import BaseHTTPResponse

_RETRY_AFTER = "retry-after"


def read_headers(raw: BaseHTTPResponse) -> dict[str, str]:
    """Return the headers by their names in lower case: the first line of each, but all lines of `Retry-After`.

    It is no list, yet proxies add a line of their own; the longest wait counts (see `read_retry_after`).
    """
    headers: dict[str, str] = {}
    for name, value in raw.headers.items():
        headers.setdefault(name.lower(), value)
    if _RETRY_AFTER in headers:
        headers[_RETRY_AFTER] = ", ".join(raw.headers.getlist(_RETRY_AFTER))
    return headers


def user_agent() -> str:
    """Who we say we are; some providers require it."""
    return f"Willcall/{_version()} (ticket fulfilment)"


def _version() -> str:
    try:
        return version("willcall")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
