"""Checks of texts and secrets. Their messages never show the text."""

import unicodedata
from typing import TypeVar

from pydantic import SecretStr

T = TypeVar("T")

#: Control characters, and the separators of lines and paragraphs. https://www.unicode.org/reports/tr44/#General_Category_Values
_CONTROL = {"Cc", "Zl", "Zp"}
_BYTE_ORDER_MARK = "\ufeff"


def check_line(value: T) -> T:
    """Return `value`. Raises ValueError for text, secret or not, that is more than one line."""
    text = _plain(value)
    if not isinstance(text, str):
        return value
    if text.startswith(_BYTE_ORDER_MARK):
        raise ValueError("begins with a byte order mark, which some editors write; remove it")
    if text.endswith(("\n", "\r")):
        raise ValueError("ends with a line break; remove it")
    if any(unicodedata.category(character) in _CONTROL for character in text):
        raise ValueError("contains a line break or another control character")
    return value


def check_secret(value: T) -> T:
    """Return `value`. Raises ValueError for what is not part of any secret, but is often copied with one."""
    text = _plain(check_line(value))
    if not isinstance(text, str):
        return value
    if not text:
        raise ValueError("must not be empty")
    if text != text.strip():
        raise ValueError("begins or ends with a blank")
    if not text.isprintable():
        raise ValueError("contains an invisible character")
    return value


def _plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
