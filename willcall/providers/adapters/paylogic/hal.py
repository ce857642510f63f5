"""HAL: a resource's links and embedded resources, each one thing or a list of them.

https://shopping-api-docs.paylogic.com/concepts/conventions.html
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from willcall.providers.reading import listed, table, text, web_link


def link(resource: Mapping[str, Any], *names: str) -> str | None:
    """The first web address under any of the names, None where there is none."""
    links = table(resource.get("_links"))
    entries = (entry for name in names for entry in listed(links.get(name)))
    return next(filter(None, (web_link(table(entry).get("href")) for entry in entries)), None)


def embedded(resource: Mapping[str, Any], name: str) -> list[Mapping[str, Any]] | None:
    """The embedded resources of a name, None where there is no such entry or one with anything else in it."""
    value = table(resource.get("_embedded")).get(name)
    entries = listed(value)
    return None if value is None or not all(isinstance(entry, dict) for entry in entries) else entries


def moment(value: object) -> float | None:
    """An ISO 8601 date and time as epoch seconds (UTC where it names no zone), else None."""
    try:
        time = datetime.fromisoformat(text(value) or "")
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None
