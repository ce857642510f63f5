"""Answers of Redis that mean that it does not serve, such as "READONLY" of a replica.

Such a server, or its replacement, serves again without our help. So connections treat it as unavailable: they close,
and code that waits for Redis waits for this too (see `redis_internals.detecting_outages`).
"""

import re

from redis.exceptions import ConnectionError as RedisConnectionError

CLUSTER = "it is a Redis Cluster: Willcall needs one server, because its scripts need all keys there"
#: The first word of each such answer, and what it means.
NOT_SERVING = {
    "READONLY": "it is a replica and accepts no writes",
    "MISCONF": "it cannot write its snapshots to disk and so accepts no writes",
    "OOM": "its memory is full",
    "NOREPLICAS": "it has too few replicas to accept writes",
    "LOADING": "it is still loading its data",
    "BUSY": "a script keeps it busy",
    "MASTERDOWN": "it is a replica that has lost its primary",
    "CLUSTERDOWN": "its cluster is down",
    "TRYAGAIN": "its cluster is moving the keys",
    "UNBLOCKED": "it has just become a replica",
    "NOPERM": "its user lacks a permission",
    "DENIED": "it is in protected mode",
    "MOVED": CLUSTER,
    "CROSSSLOT": CLUSTER,
}
#: Redis before version 7 wraps the answer to a command of a script.
_IN_SCRIPT = re.compile(r"@user_script: ?\d+: -([A-Z]+) ")
#: The answer to a script whose user may not run one of its commands: `ERR`, unlike outside of scripts.
_FORBIDDEN_IN_SCRIPT = re.compile(
    r"The user executing the script can't |ACL failure in script: "
)  # until 7.0, from 7.2


class NotServingError(RedisConnectionError):
    """Redis is reachable but does not serve."""

    def __init__(self, code: str) -> None:
        """`code` is the first word of its answer."""
        super().__init__(f"Redis answers {code}: {NOT_SERVING.get(code, 'it refuses the command')}")
        self.code = code

    @property
    def of_cluster(self) -> bool:
        """Whether the server is part of a cluster, which Willcall can never use."""
        return NOT_SERVING.get(self.code) == CLUSTER


def not_serving_code(error: BaseException) -> str | None:
    """Return the code of an answer that means that Redis does not serve, or `None`."""
    if isinstance(error, NotServingError):
        return error.code
    text = str(error)
    if _FORBIDDEN_IN_SCRIPT.search(text):
        return "NOPERM"
    inner = _IN_SCRIPT.search(text)
    code = inner[1] if inner else getattr(error, "status_code", None) or text.partition(" ")[0]
    return code if code in NOT_SERVING else None


#: What to do about errors that contain certain words.
_REMEDIES = {
    "max number of clients": (
        "It has as many clients as it allows. Raise its `maxclients`, or find the clients with `CLIENT LIST`."
    ),
    "certificate is not valid for": "Write the host that its certificate is for, or `?ssl_check_hostname=false`.",
    "CERTIFICATE_VERIFY_FAILED": (
        "Name the authority that signed its certificate: `?ssl_ca_certs=FILE` in the address."
    ),
    "WRONG_VERSION_NUMBER": "If it does not use TLS, write `redis://`.",
    "reset by peer|closed by server": "If it requires TLS, write `rediss://`. Otherwise see its log.",
    "EOF occurred|CERTIFICATE_REQUIRED|certificate required": (
        "If it requires a client certificate, name one: `?ssl_certfile=FILE&ssl_keyfile=FILE` in the address."
    ),
    "DB index is out of range": "It has fewer databases: choose a lower number, such as 0.",
    "No master found": "Check the name of the master, and the Sentinels' addresses and login (`?sentinel_password=`).",
}


def remedy(error: BaseException) -> str | None:
    """Return what to do about a connection that a running Redis did not accept, or `None`."""
    text = str(error)
    return next((fix for words, fix in _REMEDIES.items() if re.search(words, text)), None)


def describe(error: BaseException) -> str:
    """Return what an error says. That of a Sentinel repeats the whole client: its errors are enough."""
    text, _, clients = str(error).partition(" : <")
    reasons = ", ".join(sorted(set(re.findall(r" - \w+:(\w+)", clients))))
    return f"{text} ({reasons})" if reasons else text
