"""Notice what slips into a secret when it is copied: above all the line break at the end of a file."""

import unicodedata
from typing import TypeVar

from pydantic import SecretStr

T = TypeVar("T")

LINE_BREAK = "(is a line break left at its end?)"
#: Control characters, and the separators of lines and paragraphs. https://www.unicode.org/reports/tr44/#General_Category_Values
_UNSENDABLE = {"Cc", "Zl", "Zp"}


def check_line(value: T) -> T:
    """Return `value`, or raise ValueError where it is a text, secret or not, of more than one line."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(text, str) and any(unicodedata.category(sign) in _UNSENDABLE for sign in text):
        raise ValueError(f"must have no line break or other control character {LINE_BREAK}")
    return value
