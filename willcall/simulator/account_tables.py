"""The account tables that a client needs to use a simulator, as TOML."""

import json
from collections.abc import Mapping
from typing import Any

from willcall.simulator.providers import REGISTRY
from willcall.simulator.providers.funtrips import SINCE, UNTIL

#: The path prefix of each provider.
PREFIXES = {
    "funtrips": "/funtrips",
    "tiqets": "/tiqets/v2",
    "tixstock": "/tixstock/v1",
    "voordemensen": "/voordemensen/v1",
    "paylogic": "/paylogic",
}

#: A provider's second kind of credentials belongs to a second account: its name, and the field.
SECOND_ACCOUNTS = {"funtrips": ("headless", "public_bearer"), "paylogic": ("user", "cognito_token")}


def account_tables(url: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Return `{provider: {account: table}}` for the simulator at `url`, with its accounts' credentials."""
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for name, provider in REGISTRY.items():
        credentials: dict[str, Any] = dict(provider.default_credentials("default"))
        base = {"base_url": url + PREFIXES[name]}
        tables[name] = {}
        if name in SECOND_ACCOUNTS:
            account, field = SECOND_ACCOUNTS[name]
            tables[name][account] = base | {field: provider.default_credentials(account)[field]}
            del credentials[field]
        if name == "funtrips":
            credentials["token_url"] = f"{base['base_url']}/oauth/token"
            credentials |= {"since_parameter": SINCE, "until_parameter": UNTIL}
        tables[name]["default"] = base | credentials
    return tables


def to_toml(document: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """Format a nested document of strings, numbers and lists as TOML. `None` is left out."""
    given = {name: value for name, value in document.items() if value is not None}
    values = {name: value for name, value in given.items() if not isinstance(value, Mapping)}
    lines = [f"[{'.'.join(path)}]"] if path and values else []
    lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    text = "\n".join(lines) + "\n\n" if lines else ""
    tables = (to_toml(value, (*path, name)) for name, value in given.items() if isinstance(value, Mapping))
    return text + "".join(tables)
