"""What a line may say of errors and on behalf of libraries: nothing that came from outside.

Libraries put whole messages, URLs and documents into their lines and into their errors' texts. So of theirs a line
has only what stands in their source; see docs/decisions/0016-log-redaction.md.
"""

import os
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

from structlog.typing import EventDict

#: Packages whose texts are written with their readers in mind, and repeat no secret and no reference.
OURS = {"willcall", "tasks", "schedules", "workers", "api", "cli"}

#: What stands where something is left out, and for a line that is left out altogether.
LEFT_OUT, WITHHELD = "…", "a library's line, withheld"

#: Libraries' lines by how they begin, with those of their arguments that are harmless and that people need: names of
#: tasks and workers, ids of tasks, addresses without passwords. Numbers and errors are shown in any line.
_HARMLESS: dict[str, Collection[int | str]] = {
    "%s ready.": {0},
    "Connected to %s": {0},
    "consumer: Cannot connect to %s: %s.": {0, 2},
    "Received unregistered task of type %s.": {0},
    "Task %(name)s[%(id)s] %(description)s: %(exc)s": {"name", "id", "description"},
    "Task %(name)s[%(id)s] %(exc)s": {"name", "id"},
}

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


def described(error: BaseException) -> str:
    """An error: its type, and its message where that is ours or the system's."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if kind.__module__.partition(".")[0] in OURS:
        return f"{name}: {error}"
    if isinstance(error, OSError) and kind.__module__ == "builtins" and error.errno:
        return f"{name}: {os.strerror(error.errno)}"
    return name


def stack_of(error: BaseException, told: frozenset[int] = frozenset()) -> str:
    """An error as Python prints it, with all that led to it: frames, never their variables; messages as above."""
    told |= {id(error)}
    text = ""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None and id(earlier) not in told:
        text = stack_of(earlier, told) + (_CAUSE if error.__cause__ else _CONTEXT)
    if error.__traceback__:
        text += "Traceback (most recent call last):\n" + "".join(traceback.format_tb(error.__traceback__))
    text += described(error) + "\n"
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            if id(inner) not in told:
                text += "".join(f"  | {line}\n" for line in stack_of(inner, told).splitlines())
    return text


def show_errors(_: object, __: str, event: EventDict) -> EventDict:
    """A processor: errors among the fields in words, and the one that is being handled with its frames."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    for name, value in event.items():
        if isinstance(value, BaseException):
            event[name] = described(value)
    if isinstance(error, BaseException):
        event["exception"] = stack_of(error).rstrip("\n")
    return event


def show_record(_: object, __: str, event: EventDict) -> EventDict:
    """A processor for lines that did not come by structlog: what of them may be shown."""
    record = event["_record"]
    arguments, ours = event.pop("positional_args", ()), record.name.partition(".")[0] in OURS
    if isinstance(record.msg, str) and (ours or record.msg in _texts(record.pathname)):
        event["event"] = _filled(record.msg, arguments, None if ours else _harmless(record.msg))
    else:
        event["event"], event["at"] = WITHHELD, f"{Path(record.pathname).name}:{record.lineno}"
    return event


def _harmless(template: str) -> Collection[int | str]:
    return _HARMLESS.get(template.partition("\n")[0], ())


def _filled(template: str, arguments: Any, harmless: Collection[int | str] | None) -> str:
    """A line with those of its arguments that may be shown; None: all are our own."""
    if not arguments:
        return template
    places = arguments if isinstance(arguments, Mapping) else range(len(arguments))
    values = {place: _shown(arguments[place], place, harmless) for place in places}
    try:
        return template % (values if isinstance(arguments, Mapping) else tuple(values.values()))
    except (TypeError, ValueError, LookupError):
        return template


def _shown(value: object, place: int | str, harmless: Collection[int | str] | None) -> object:
    if harmless is not None and place in harmless:
        return str(value)
    if isinstance(value, BaseException):
        return _Text(described(value))
    return value if harmless is None or isinstance(value, bool | int | float | None) else _Text(LEFT_OUT)


class _Text(str):
    """Text that has no quotes in `%r` either."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@lru_cache(maxsize=256)
def _texts(path: str) -> frozenset[str]:
    """The texts that stand in the source of the module at `path`; none where it cannot be told."""
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == path:
            read = getattr(module.__loader__, "get_code", None)
            return frozenset(_constants(read(module.__name__))) if read else frozenset()
    return frozenset()


def _constants(code: CodeType | None) -> Iterator[str]:
    for value in code.co_consts if code else ():
        if isinstance(value, str):
            yield value
        elif isinstance(value, CodeType):
            yield from _constants(value)
