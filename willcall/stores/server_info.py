"""What a Redis server says about itself. Managed servers, and users with few rights, hide some of it or all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from willcall.stores.connection import probe
from willcall.stores.outages import CLUSTER, NotServingError

if TYPE_CHECKING:
    from redis import Redis

#: The oldest version with all commands that we use.
OLDEST_VERSION = (6, 2)
#: Servers that speak Redis' protocol, by the field of INFO with their version.
_NAMES = {"valkey_version": "Valkey", "dragonfly_version": "Dragonfly"}


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The fields of `INFO`; none if the user may not run it."""

    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str | None:
        """The version as people say it: `7.0.15` for Redis, `Valkey 9.1.2` for another server."""
        for version, name in _NAMES.items():
            if version in self.fields:
                return f"{name} {self.fields[version]}"
        found = self.fields.get("redis_version")
        return None if found is None else str(found)

    @property
    def unusable(self) -> str | None:
        """Why Willcall can never use the server, or `None` as far as it says."""
        numbers = re.match(r"(\d+)\.(\d+)", str(self.fields.get("redis_version")))
        if numbers and tuple(map(int, numbers.groups())) < OLDEST_VERSION:
            return f"version {self.version} is too old: Willcall needs Redis 6.2 or newer"
        return CLUSTER if self.fields.get("cluster_enabled") else None


def read_server_info(client: "Redis") -> ServerInfo:
    """Return what the server says. Raises StoreError if it is unavailable."""
    try:
        return ServerInfo(dict(client.info()))
    except NotServingError as error:
        if error.code != "NOPERM":
            raise
    except ResponseError:  # the command is disabled, or has another name
        pass
    return ServerInfo()


def find_unusable(client: "Redis") -> str | None:
    """Return why Willcall can never use a server, or `None`. Raises StoreError if it is unavailable."""
    problem = read_server_info(client).unusable
    if problem:
        return problem
    try:
        probe(client)
    except NotServingError as error:
        if not error.of_cluster:
            raise
        return CLUSTER
    return None
