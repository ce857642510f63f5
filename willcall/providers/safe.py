"""What may pass into a URL's path or a header, and how much of a provider's word we keep."""

from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, SecretStr

from willcall.providers.credential_text import LINE_BREAK
from willcall.providers.reading import as_text

#: Longest part of a path that we send, characters.
_LONGEST_SEGMENT = 255
#: Longest status word that we keep, characters; the known ones have at most 20.
_LONGEST_WORD = 64


def check_path_segment(value: str) -> str:
    """`value`, or ValueError (which does not repeat it) where it cannot be one segment of a URL's path.

    Slashes and dot segments would lead to another endpoint, also percent-encoded.
    """
    if not value or value.isspace():
        raise ValueError("must not be empty")
    if len(value) > _LONGEST_SEGMENT:
        raise ValueError(f"must not be longer than {_LONGEST_SEGMENT} characters")
    if value in {".", ".."} or any(sign in "/\\" or sign.isspace() or not sign.isprintable() for sign in value):
        raise ValueError("must be one path segment: no slash, blank or control character")
    return value


def path_segment(value: str) -> str:
    """`value` percent-encoded as one segment of a URL's path."""
    return quote(value, safe="")


def _header_secret(value: SecretStr) -> SecretStr:
    secret = value.get_secret_value()
    if not secret:
        raise ValueError("must not be empty")
    if not all("!" <= sign <= "~" for sign in secret):
        raise ValueError(f"must be printable ASCII without blanks {LINE_BREAK}")
    return value


#: A secret that goes into a header as it is.
HeaderSecret = Annotated[SecretStr, AfterValidator(_header_secret)]


def status_word(value: object) -> str | None:
    """The provider's own word for a status, cut where it is longer than any word is."""
    word = as_text(value)
    return word and word[:_LONGEST_WORD]
