"""What log lines may contain. No value that came from outside is logged, and no secret of the configuration.

- An error is logged as its type. Its message follows only if the class is ours or the text is the operating system's.
- A library's line is logged as its template, `Connected to %s`, filled with numbers, errors and the few arguments that
  are known to be harmless. A message without arguments may have been formatted before, so it is withheld unless it is
  known.
- The finished line is searched for the secrets of the configuration.

See docs/decisions/0016-log-redaction.md.
"""

import json
import os
import re
import ssl
import sys
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from pydantic import BaseModel, SecretStr
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.typing import EventDict

from willcall.config import Config
from willcall.stores.redis_address import is_redis, parse_address

#: Packages whose messages never repeat a secret or a reference.
OUR_PACKAGES = {"willcall", "tasks", "schedules", "workers"}

#: Replacements for an argument, for a whole message of a library, and for a secret of the configuration.
OMITTED, WITHHELD, REDACTED = "…", "library message withheld", "***"
#: Shorter secrets, such as the password `dev`, are not searched for: they are parts of too many words.
MIN_SECRET_LENGTH = 4

#: First lines of known templates, each with its harmless arguments: names and ids of tasks, names of workers, addresses
#: without passwords.
_KNOWN: dict[str, Collection[int | str]] = {
    "%s ready.": {0},
    "Connected to %s": {0},
    "consumer: Cannot connect to %s: %s.": {0, 2},
    "Started consuming from %s": {0},
    "Canceling queue %s": {0},
    "Received unregistered task of type %s.": {0},
    "Task %(name)s[%(id)s] %(description)s: %(exc)s": {"name", "id", "description"},
    "Task %(name)s[%(id)s] %(exc)s": {"name", "id"},
    "Events of group {task} enabled by remote.": (),
    "Events of group {task} disabled by remote.": (),
    "Exception in ASGI application": (),
}

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"

#: A password in a URL.
_URL_PASSWORD = re.compile(r"(?<=:)[^/@:]+(?=@)|(?<=password=)[^&#]+")


# Errors


def describe_error(error: BaseException) -> str:
    """Return an error's type, and its message if that is ours or the operating system's."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if kind.__module__.partition(".")[0] in OUR_PACKAGES:
        return f"{name}: {error}"
    reason = _system_reason(error)
    if isinstance(error, AuthenticationError):
        reason = "Redis refuses the user and password of its URL, or their absence"
    elif isinstance(error, RedisConnectionError) and error.__context__:
        reason = _system_reason(error.__context__)
    return f"{name}: {reason}" if reason else name


def _system_reason(error: BaseException) -> str | None:
    """Return what the operating system or OpenSSL says, from its own fixed texts."""
    if isinstance(error, ssl.SSLError):
        return error.reason
    if isinstance(error, OSError) and type(error).__module__ == "builtins" and error.errno:
        return os.strerror(error.errno)
    return None


def format_traceback(error: BaseException, seen: frozenset[int] = frozenset()) -> str:
    """Format an error with all that led to it, as Python does, but with messages as `describe_error` has them."""
    seen |= {id(error)}
    text = ""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None and id(earlier) not in seen:
        text = format_traceback(earlier, seen) + (_CAUSE if error.__cause__ else _CONTEXT)
    if error.__traceback__:
        text += "Traceback (most recent call last):\n" + "".join(traceback.format_tb(error.__traceback__))
    text += describe_error(error) + "\n"
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            if id(inner) not in seen:
                text += "".join(f"  | {line}\n" for line in format_traceback(inner, seen).splitlines())
    return text


def render_errors(_: object, __: str, event: EventDict) -> EventDict:
    """Replace errors among the fields by their descriptions, and `exc_info` by a traceback (a structlog processor)."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    for name, value in event.items():
        if isinstance(value, BaseException):
            event[name] = describe_error(value)
    if isinstance(error, BaseException):
        event["exception"] = format_traceback(error).rstrip("\n")
    return event


# Lines of libraries


def render_library_record(_: object, __: str, event: EventDict) -> EventDict:
    """Fill in the message of a line that was not logged with structlog (a structlog processor)."""
    record = event["_record"]
    arguments = event.pop("positional_args", ())
    template = record.msg.rstrip() if isinstance(record.msg, str) else ""
    if template and arguments:
        event["event"] = _fill(template, arguments)
    elif template in _KNOWN:
        event["event"] = template
    else:
        event["event"], event["at"] = WITHHELD, f"{Path(record.pathname).name}:{record.lineno}"
    return event


def _fill(template: str, arguments: Any) -> str:
    harmless = _KNOWN.get(template.partition("\n")[0], ())
    places = arguments if isinstance(arguments, Mapping) else range(len(arguments))
    values = {place: str(arguments[place]) if place in harmless else _redact(arguments[place]) for place in places}
    try:
        return template % (values if isinstance(arguments, Mapping) else tuple(values.values()))
    except (TypeError, ValueError, LookupError):
        return template


def _redact(value: object) -> object:
    if isinstance(value, bool | int | float | None):
        return value
    return _Text(describe_error(value) if isinstance(value, BaseException) else OMITTED)


class _Text(str):
    """Text that `%r` formats without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


# Secrets of the configuration


class Redactor:
    """Replaces secrets in a finished line, about 0.1 µs per secret (a structlog processor)."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Search for `secrets` as they are, percent-encoded, and as JSON writes them."""
        self._forms: list[str] = []
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Search for these too. Earlier ones stay: lines about work that began with them may follow."""
        forms = {form for secret in secrets if len(secret) >= MIN_SECRET_LENGTH for form in _encoded_forms(secret)}
        self._forms = sorted(forms.union(self._forms), key=len, reverse=True)

    def __call__(self, _: object, __: str, line: Any) -> str:
        """Return the line without secrets."""
        for form in self._forms:
            if form in line:
                line = line.replace(form, REDACTED)
        return str(line)


def secret_values(config: Config) -> set[str]:
    """Return every secret of a configuration: fields of that type, passwords in URLs, headers made of them."""
    settings = config.settings
    secrets = {*_secrets_in(settings)}
    for url in (settings.redis_url, settings.broker_url, settings.documents_url):
        secrets |= {unquote(password) for password in _URL_PASSWORD.findall(url)}
        secrets |= {*parse_address(url).secrets} if is_redis(url) else set()
    for route in (settings.outbound.route, *(account.route for account in config.accounts.values())):
        if route.proxy:
            secrets |= {route.proxy.password, (route.proxy.authorization or "").rpartition(" ")[2]}
    for account in config.accounts.values():
        secrets |= {*_secrets_in(account.credentials)}
        secrets |= {header.rpartition(" ")[2] for header in account.credentials.document_headers().values()}
    return secrets


def _encoded_forms(secret: str) -> set[str]:
    return {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]}


def _secrets_in(value: Any) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case BaseModel():
            for _, inner in value:
                yield from _secrets_in(inner)
        case Mapping():
            for inner in value.values():
                yield from _secrets_in(inner)
        case list() | tuple() | set() | frozenset():
            for inner in value:
                yield from _secrets_in(inner)
