"""Where output goes: results to stdout, everything about them to stderr; JSON is never decorated."""

import json
import re
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def stdout_console() -> Console:
    """Tables and views for people, on stdout."""
    return Console(highlight=False, markup=False, emoji=False)


def stderr_console() -> Console:
    """Progress and remarks, on stderr."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def print_note(sentence: str) -> None:
    """A remark on stderr, on one line however narrow the terminal is."""
    stderr_console().print(strip_control_characters(sentence), soft_wrap=True)


def print_json(document: Mapping[str, Any]) -> None:
    """The one JSON document of a command."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def print_json_line(document: Mapping[str, Any]) -> None:
    """One line of JSON Lines, at once."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def strip_control_characters(value: object) -> str:
    """Text from outside without characters that steer a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value))


def redact_url(url: str) -> str:
    """A Redis or broker URL without its password and without its query, which may hold one too."""
    parts = urlsplit(url)
    secret = bool(parts.password or parts.query)
    bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return f"{bare} (password hidden)" if secret else bare
