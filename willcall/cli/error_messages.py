"""The message and the exit code of each expected error. Imported only after something went wrong."""

from dataclasses import dataclass

import redis.exceptions

from willcall.cli.bootstrap import read_config
from willcall.cli.errors import FAILED, USAGE, CommandError
from willcall.cli.output.console import redact_url
from willcall.config import ConfigError
from willcall.devtools.embedded_redis import RedisStartError
from willcall.devtools.installation import install_command
from willcall.orders.errors import RejectedOrderError, UnknownAccountError, WillcallError
from willcall.stores.connection import StoreError
from willcall.stores.outages import NotServingError, describe, remedy

#: Packages of the extra `dev`.
_DEV_PACKAGES = {"aiohttp", "psutil"}
_USAGE_ERRORS = (RejectedOrderError, UnknownAccountError)


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """What to print on stderr, and the exit code."""

    message: str
    code: int


def explain(error: Exception) -> ErrorMessage | None:
    """Return the message for an expected error; `None` for a bug."""
    match error:
        case CommandError():
            return ErrorMessage(str(error), error.code)
        case ConfigError():
            return ErrorMessage(_config_message(error), USAGE)
        case WillcallError() | RedisStartError():
            return ErrorMessage(str(error), USAGE if isinstance(error, _USAGE_ERRORS) else FAILED)
        case StoreError():
            return ErrorMessage(_redis_message(error), FAILED)
        case ModuleNotFoundError() if (error.name or "").partition(".")[0] in _DEV_PACKAGES:
            return ErrorMessage(f"this command is for development: {install_command('dev')}", FAILED)
    return None


def _config_message(error: ConfigError) -> str:
    count = len(error.errors)
    title = "configuration error" if count == 1 else f"{count} configuration errors"
    warnings = ["", *map(str, error.warnings)] if error.warnings else []
    return "\n  ".join([title, *map(str, error.errors), *warnings])


def _redis_message(error: StoreError) -> str:
    config = read_config()
    where = redact_url(config.settings.redis_url)
    if isinstance(error, NotServingError):
        return f"Redis at {where} is not serving requests: {error}"
    unreachable = isinstance(error, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError)
    if isinstance(error, redis.exceptions.AuthenticationError) or not unreachable:
        return "\n  ".join(filter(None, [f"Redis at {where} rejected the connection: {error}", remedy(error)]))
    how = "Start one with `willcall up`, or set redis_url."
    if "redis_url" in config.settings.model_fields_set:
        how = "Restart it with its data; orders continue automatically. Do not start an empty Redis in its place."
    return f"cannot connect to Redis at {where}: {describe(error)}\n  {remedy(error) or how}"
