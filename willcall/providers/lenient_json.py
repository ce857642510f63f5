"""Read JSON as some providers print it: with trailing commas and comments (`//` and `/* */`).

Strict JSON is tried first, so a valid response is never repaired. The repair takes time linear in the body and touches
nothing inside strings.
"""

import re
from dataclasses import replace
from typing import Any

from willcall.http.messages import Response
from willcall.orders.outcomes import Malformed
from willcall.providers.reading import read_json, read_text

#: A string, also an unterminated one; possessive, so that no input causes backtracking.
_STRING = r'"(?:[^"\\]|\\.)*+"?'
#: An unterminated block comment extends to the end, so that no input causes backtracking either.
_BLOCK = r"/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)"
_COMMENT = re.compile(rf"({_STRING})|//[^\r\n]*|{_BLOCK}", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"({_STRING})|,(?=\s*[\]}}])", re.DOTALL)


def read_lenient(response: Response) -> object:
    """Return the body as JSON, repaired where necessary, or `Malformed`."""
    value = read_json(response)
    if not isinstance(value, Malformed):
        return value
    try:
        body = read_text(response)
    except ValueError:
        return value
    return read_json(replace(response, body=repair(body).encode()))


def read_lenient_object(response: Response) -> dict[str, Any] | Malformed:
    """Return the body as a JSON object, repaired where necessary, or `Malformed`."""
    value = read_lenient(response)
    if isinstance(value, dict | Malformed):
        return value
    return Malformed(detail="body is not a JSON object")


def repair(text: str) -> str:
    """Return `text` without comments and without commas before a closing bracket.

    A `//` comment ends with its line. In the last line it ends before the closing brackets, because some samples have
    all their lines joined.
    """
    text = text.rstrip()
    closing = len(text.rstrip(" \t\r\n]}"))

    def uncommented(found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1]
        if found[0].startswith("/*"):
            return ""
        return text[max(closing, found.start() + 2) :] if found.end() == len(text) else ""

    return _TRAILING_COMMA.sub(lambda found: found[1] or "", _COMMENT.sub(uncommented, text))
