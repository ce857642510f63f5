"""Consoles and JSON: results go to stdout, notes about them to stderr; JSON is never styled."""

import json
import re
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def stdout_console() -> Console:
    """Return a console for tables and details."""
    return Console(highlight=False, markup=False, emoji=False)


def stderr_console() -> Console:
    """Return a console for progress and notes."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def print_note(sentence: str) -> None:
    """Print a note on stderr, on one line however narrow the terminal is."""
    stderr_console().print(strip_control_characters(sentence), soft_wrap=True)


def print_json(document: Mapping[str, Any]) -> None:
    """Print the one JSON document of a command."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def print_json_line(document: Mapping[str, Any]) -> None:
    """Print one line of JSON Lines, and flush."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def strip_control_characters(value: object) -> str:
    """Return text from outside without characters that control a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value))


def redact_url(url: str) -> str:
    """Return a Redis or broker URL without its password and its query, which may contain a password too."""
    parts = urlsplit(url)
    secret = bool(parts.password or parts.query)
    redacted = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return f"{redacted} (password hidden)" if secret else redacted
