"""HAL: links and embedded resources of Paylogic's responses.

https://shopping-api-docs.paylogic.com/concepts/conventions.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from willcall.providers.reading import as_list, as_object, as_web_url

#: Relations that say nothing about a resource.
_ABOUT_THE_FORMAT = {"curies", "profile", "self", "search"}


def embedded(resource: Mapping[str, Any], *names: str) -> list[Mapping[str, Any]] | None:
    """Return the embedded resources under the first of the names, or `None` if they are missing or invalid."""
    resources = as_object(resource.get("_embedded"))
    value = next((resources[name] for name in names if resources.get(name) is not None), None)
    entries = as_list(value)
    return None if value is None or not all(isinstance(entry, dict) for entry in entries) else entries


def links(resource: Mapping[str, Any], *names: str) -> list[str]:
    """Return the web addresses under all of the names, each once. A relation is one link or a list.

    A URI template is no address.
    """
    relations = as_object(resource.get("_links"))
    entries = (entry for name in names for entry in as_list(relations.get(name)))
    return list(dict.fromkeys(filter(None, map(_address, entries))))


def link(resource: Mapping[str, Any], *names: str) -> str | None:
    """Return the first web address under any of the names, or `None`."""
    return next(iter(links(resource, *names)), None)


def linked_uid(resource: Mapping[str, Any], name: str) -> str | None:
    """Return the uid at the end of a link's address."""
    return uid_of(link(resource, name))


def uid_of(address: str | None) -> str | None:
    """Return the uid at the end of an address."""
    return address and (address.partition("?")[0].rstrip("/").rpartition("/")[2] or None)


def related(resource: Mapping[str, Any], without: set[str]) -> dict[str, str | list[str]]:
    """Return the addresses of related resources, by the plain name of the relation (`order` for `shop:order`)."""
    names = [name for name in as_object(resource.get("_links")) if name not in _ABOUT_THE_FORMAT | without]
    found = ((name.removeprefix("shop:"), links(resource, name)) for name in names)
    return {name: addresses[0] if len(addresses) == 1 else addresses for name, addresses in found if addresses}


def _address(entry: object) -> str | None:
    address = as_web_url(as_object(entry).get("href") or entry)
    return None if address and "{" in address else address


def without_format(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an embedded resource that have a value, with its own address and relations as `links`."""
    own = link(resource, "self")
    related_to = ({"self": own} if own else {}) | related(resource, set())
    fields = dict(plain_fields(resource))
    return {**fields, "links": related_to} if related_to else fields


def _plain(value: object, depth: int = 0) -> object:
    """Return a value without empty texts, lists and objects, which say nothing."""
    if isinstance(value, dict) and depth < _DEEPEST:
        return {name: plain for name, each in value.items() if (plain := _plain(each, depth + 1)) not in _EMPTY}
    if isinstance(value, list) and depth < _DEEPEST:
        return [_plain(each, depth + 1) for each in value]
    return value


_DEEPEST = 10
_EMPTY: tuple[object, ...] = (None, "", [], {})


def plain_fields(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a resource that have a value."""
    for name, value in fields.items():
        plain = _plain(value)
        if not name.startswith("_") and plain not in _EMPTY:
            yield name, plain
