"""The account tables that a client needs to talk to a simulator, as TOML."""

import json
from collections.abc import Mapping
from typing import Any

from willcall.simulator.providers import REGISTRY

#: Where each provider's paths begin.
PREFIXES = {
    "funtrips": "/funtrips",
    "tiqets": "/tiqets/v2",
    "tixstock": "/tixstock/v1",
    "voordemensen": "/voordemensen/v1",
    "paylogic": "/paylogic",
}

#: The second kind of credentials of a provider gets an account of its own: its name, and the field.
SECOND = {"funtrips": ("headless", "public_bearer"), "paylogic": ("user", "cognito_token")}


def account_tables(url: str) -> dict[str, dict[str, dict[str, Any]]]:
    """`{provider: {account: table}}` for the simulator at `url`, with the credentials that its accounts have."""
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for name, provider in REGISTRY.items():
        credentials: dict[str, Any] = dict(provider.default_credentials("default"))
        base = {"base_url": url + PREFIXES[name]}
        tables[name] = {}
        if name in SECOND:
            account, field = SECOND[name]
            tables[name][account] = base | {field: provider.default_credentials(account)[field]}
            del credentials[field]
        if name == "funtrips":
            credentials["token_url"] = f"{base['base_url']}/oauth/token"
        tables[name]["default"] = base | credentials
    return tables


def toml(document: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """A nested document of strings, numbers and lists as TOML."""
    values = {name: value for name, value in document.items() if not isinstance(value, Mapping)}
    lines = [f"[{'.'.join(path)}]"] if path and values else []
    lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    text = "\n".join(lines) + "\n\n" if lines else ""
    tables = (toml(value, (*path, name)) for name, value in document.items() if isinstance(value, Mapping))
    return text + "".join(tables)
