"""Which answers of Redis mean that it does not serve, and how connections treat them: as if Redis was away.

A server that is read-only after a failover, out of memory or still loading answers every command with an error. It
serves again by itself, or another one does in its place. So such an answer closes its connection: the next one goes to
whichever server is there then, and whoever waits for Redis waits for this too.
"""

import re
from functools import cache
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

#: The first word of each such answer, with what it means.
NO_SERVICE = {
    "READONLY": "it is a replica, which takes no writes",
    "MISCONF": "it cannot write its snapshots to disk, and so takes no writes",
    "OOM": "its memory is full",
    "NOREPLICAS": "it has too few replicas to take writes",
    "LOADING": "it is still reading its data",
    "BUSY": "a script keeps it busy",
    "MASTERDOWN": "it is a replica that has lost its primary",
    "CLUSTERDOWN": "its cluster is down",
    "TRYAGAIN": "its cluster moves the keys just now",
    "UNBLOCKED": "it became a replica just now",
    "NOPERM": "its user may not do this",
    "DENIED": "it is in protected mode",
}
#: Redis before version 7 wraps what a command of a script answered.
_IN_SCRIPT = re.compile(r"@user_script: ?\d+: -([A-Z]+) ")
#: What a script is answered whose user may not run one of its commands, or not with that key: `ERR`, unlike elsewhere.
_FORBIDDEN_IN_SCRIPT = re.compile(
    r"The user executing the script can't |ACL failure in script: "
)  # until 7.0, from 7.2


class NotServingError(RedisConnectionError):
    """Redis is there, and does not serve."""

    def __init__(self, code: str) -> None:
        """`code` is the first word of its answer."""
        super().__init__(f"Redis answers {code}: {NO_SERVICE.get(code, 'it refuses the command')}")
        self.code = code


def not_serving_code(error: BaseException) -> str | None:
    """Return the code of an answer that means that Redis does not serve, or `None`."""
    if isinstance(error, NotServingError):
        return error.code
    text = str(error)
    if _FORBIDDEN_IN_SCRIPT.search(text):
        return "NOPERM"
    inner = _IN_SCRIPT.search(text)
    code = inner[1] if inner else getattr(error, "status_code", None) or text.partition(" ")[0]
    return code if code in NO_SERVICE else None


def remedy(error: BaseException) -> str | None:
    """Return what to do about a connection that a running Redis did not accept, or `None`."""
    text = str(error)
    if "max number of clients" in text:
        return "It has as many clients as it allows: raise its `maxclients`, or find who holds so many (`CLIENT LIST`)."
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "Name the authority that signed its certificate: `?ssl_ca_certs=FILE` in the address."
    return None


class _NoticesOutages:
    """Part of a connection: raises NoServiceError where Redis does not serve, and closes."""

    _greeting = False

    def on_connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        """Log in, and say who we are; redis-py knows which answers to that do not matter."""
        self._greeting = True
        try:
            super().on_connect_check_health(*args, **kwargs)  # type: ignore[misc]
        finally:
            self._greeting = False

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Read one answer."""
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except (ResponseError, RedisConnectionError) as error:
            code = None if self._greeting else not_serving_code(error)
            if code is None:
                raise
            self.disconnect()  # type: ignore[attr-defined]
            raise NotServingError(code) from None


@cache
def detecting_outages(connection_class: type) -> type:
    """Return a class of connections that takes a server without service for one that is away."""
    if issubclass(connection_class, _NoticesOutages):
        return connection_class
    return type(connection_class.__name__, (_NoticesOutages, connection_class), {})
