"""Errors as people read them, and the exit code of each: 1 the thing asked for failed, 2 wrong usage or config."""
# ruff: noqa: PLC0415 - loaded only once something went wrong

from dataclasses import dataclass
from typing import TYPE_CHECKING

from willcall.orders.errors import RejectedOrderError, UnknownAccountError, WillcallError

if TYPE_CHECKING:
    from willcall.config import ConfigError
    from willcall.stores.connection import StoreError

FAILED = 1
USAGE = 2

#: What the extra `dev` brings: for commands that production does not need.
_DEV = {"aiohttp", "honcho"}


class CommandError(Exception):
    """A command that cannot do what it was asked, for a reason of its own."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        """`message` is for people."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Explanation:
    """What to print on stderr and how to exit."""

    message: str
    code: int


def explain(error: Exception) -> Explanation | None:
    """An error in words; None for one that is our own mistake."""
    from willcall.config import ConfigError
    from willcall.devtools.embedded_redis import RedisStartError
    from willcall.stores.connection import StoreError

    match error:
        case CommandError():
            return Explanation(str(error), error.code)
        case ConfigError():
            return Explanation(_config_message(error), USAGE)
        case RejectedOrderError() | UnknownAccountError():
            return Explanation(str(error), USAGE)
        case WillcallError() | RedisStartError():
            return Explanation(str(error), FAILED)
        case StoreError():
            return Explanation(_redis_message(error), FAILED)
    return _missing(error) if isinstance(error, ModuleNotFoundError) else None


def _missing(error: ModuleNotFoundError) -> Explanation | None:
    if (error.name or "").partition(".")[0] not in _DEV:
        return None
    return Explanation("this command is for development: pip install 'willcall[dev]'", FAILED)


def _config_message(error: "ConfigError") -> str:
    mistakes = len(error.errors)
    if mistakes == 1:
        return f"the configuration has a mistake\n  {error}"
    return "\n  ".join([f"the configuration has {mistakes} mistakes", *map(str, error.errors)])


def _redis_message(error: "StoreError") -> str:
    from redis.exceptions import AuthenticationError, ConnectionError, TimeoutError  # noqa: A004 - Redis' own

    from willcall.cli.bootstrap import open_config
    from willcall.cli.output.console import redact_url
    from willcall.stores.outages import NotServingError, remedy

    config = open_config()
    where = redact_url(config.settings.redis_url)
    if isinstance(error, AuthenticationError) or not isinstance(error, ConnectionError | TimeoutError):
        return f"Redis at {where} refuses: {error}"
    how = "Start one with `willcall up`, or name yours as redis_url."
    if isinstance(error, NotServingError):
        return f"Redis at {where} does not serve: {error}"
    if "redis_url" in config.settings.model_fields_set:
        how = (
            "Start it again with its data; orders wait and continue by themselves. "
            "Do not start an empty Redis in its place."
        )
    return f"Redis cannot be reached at {where}: {error}\n  {remedy(error) or how}"
