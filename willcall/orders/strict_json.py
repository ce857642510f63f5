"""JSON from callers, read strictly: what has two meanings, or could not be written again, is refused."""

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

#: Most keys of one object.
MAX_KEYS = 1_000
#: Most strings, commas, and openings of lists and objects in one text. Each may take a hundred bytes of memory, however
#: short it is: 16 MiB of `[],[],...` would take 400 MiB.
MAX_TOKENS = 500_000

#: A string to its end, or to the end of the text; possessive, so that no text is read twice.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[\[{,]', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class InvalidJsonError(ValueError):
    """A text that is refused. The message completes "the text ..." and repeats nothing of it but names of keys."""


def parse_json(text: bytes) -> Any:
    """Return what a text in UTF-8 holds. Raises InvalidJsonError."""
    _require_few_tokens(text)
    try:
        value = json.loads(text.decode(), parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unambiguous)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        problem = "is not UTF-8"
    except UnicodeEncodeError:
        problem = "must be text that UTF-8 can hold"
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        problem = f"is not JSON: {error.msg} ({line}column {error.colno})"
    except InvalidJsonError:
        raise
    except ValueError:
        problem = "holds a number that cannot be taken"
    except RecursionError:
        problem = "is nested too deeply"
    else:
        return value
    raise InvalidJsonError(problem)


def _require_few_tokens(text: bytes) -> None:
    """Raise InvalidJsonError before anything is built of a text that is made of little but punctuation."""
    if len(text) <= MAX_TOKENS or sum(map(text.count, (b'"', b"[", b"{", b","))) <= MAX_TOKENS:
        return
    for count, _ in enumerate(_TOKEN.finditer(text)):
        if count == MAX_TOKENS:
            raise InvalidJsonError(f"holds more than {MAX_TOKENS:,} values")


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Readers differ in which of two values of one key they take."""
    if len(pairs) > MAX_KEYS:
        raise InvalidJsonError(f"holds an object of more than {MAX_KEYS:,} keys")
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise InvalidJsonError(f"holds an object with the key {twice[:60]!a} twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("is too large")
    return number


def _refuse(_: str) -> NoReturn:
    raise ValueError("NaN and infinities are no JSON")
