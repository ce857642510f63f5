"""A strict JSON parser for requests: it rejects texts that are ambiguous or that could not be written again."""

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

#: Most keys in one object.
MAX_KEYS = 1_000
#: Most strings, commas and opening brackets in one text. Each may take a hundred bytes of memory, however short it is:
#: 16 MiB of `[],[],...` would take 400 MiB.
MAX_TOKENS = 500_000

#: A string to its end, or to the end of the text; possessive, so that no text is read twice.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[\[{,]', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class InvalidJsonError(ValueError):
    """The message completes "the text ..." and quotes nothing of it but a repeated key."""


def parse_json(text: bytes) -> Any:
    """Return the value of a JSON text in UTF-8. Raises InvalidJsonError."""
    _require_few_tokens(text)
    try:
        value = json.loads(text.decode(), parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unambiguous)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        problem = "is not UTF-8"
    except UnicodeEncodeError:
        problem = "contains text that UTF-8 cannot encode"
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        problem = f"is not JSON: {error.msg} ({line}column {error.colno})"
    except InvalidJsonError:
        raise
    except ValueError:
        problem = "contains a number that is out of range"
    except RecursionError:
        problem = "is nested too deeply"
    else:
        return value
    raise InvalidJsonError(problem)


def _require_few_tokens(text: bytes) -> None:
    """Raise InvalidJsonError for a text of little but punctuation, before any object is built from it."""
    if len(text) <= MAX_TOKENS or sum(map(text.count, (b'"', b"[", b"{", b","))) <= MAX_TOKENS:
        return
    for count, _ in enumerate(_TOKEN.finditer(text)):
        if count == MAX_TOKENS:
            raise InvalidJsonError(f"contains more than {MAX_TOKENS:,} values")


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object with distinct keys. Parsers differ in which of two values of one key they use."""
    if len(pairs) > MAX_KEYS:
        raise InvalidJsonError(f"contains an object of more than {MAX_KEYS:,} keys")
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise InvalidJsonError(f"contains an object with the key {twice[:60]!a} twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("is too large")
    return number


def _refuse(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")
