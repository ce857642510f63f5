"""Put an order's reference into the path of a URL."""

from urllib.parse import quote

from willcall.http.urls import leaves_path

#: Longest segment, in characters.
_LONGEST = 255


def check_path_segment(value: str) -> str:
    """Return `value`. Raises ValueError, which does not repeat it, if it cannot be one segment of a URL's path.

    Slashes and dot segments would lead to another endpoint, even percent-encoded.
    """
    if not value or value.isspace():
        raise ValueError("must not be empty")
    if len(value) > _LONGEST:
        raise ValueError(f"must not be longer than {_LONGEST} characters")
    if (
        value == "."
        or leaves_path(value)
        or any(character in "/\\" or character.isspace() or not character.isprintable() for character in value)
    ):
        raise ValueError("must be one path segment: no slash, blank or control character")
    return value


def check_reference_segment(name: str, value: str) -> str:
    """Return `value`, as `check_path_segment` does; the message of its ValueError begins with `name`."""
    try:
        return check_path_segment(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def path_segment(value: str) -> str:
    """Return `value` percent-encoded as one segment of a URL's path."""
    return quote(value, safe="")
