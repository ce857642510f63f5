"""HAL: a resource's links and embedded resources, each one thing or a list of them.

https://shopping-api-docs.paylogic.com/concepts/conventions.html
"""

from collections.abc import Mapping
from typing import Any

from willcall.providers.reading import as_list, as_object, as_web_url


def link(resource: Mapping[str, Any], *names: str) -> str | None:
    """The first web address under any of the names, None where there is none."""
    links = as_object(resource.get("_links"))
    entries = (entry for name in names for entry in as_list(links.get(name)))
    return next(filter(None, (as_web_url(as_object(entry).get("href") or entry) for entry in entries)), None)


def linked_uid(resource: Mapping[str, Any], name: str) -> str | None:
    """Return the uid at the end of a link's address."""
    address = link(resource, name)
    return address and (address.partition("?")[0].rstrip("/").rpartition("/")[2] or None)


def embedded(resource: Mapping[str, Any], *names: str) -> list[Mapping[str, Any]] | None:
    """Return the embedded resources of the first name there, `None` where there is none or anything else in it."""
    resources = as_object(resource.get("_embedded"))
    value = next((resources[name] for name in names if resources.get(name) is not None), None)
    entries = as_list(value)
    return None if value is None or not all(isinstance(entry, dict) for entry in entries) else entries
