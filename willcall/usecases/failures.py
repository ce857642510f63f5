"""Handle unexpected exceptions, by one rule for all code that processes data from outside.

A provider, a backend or an operator may send what the code does not expect: deep nesting, an impossible date, a number
of five thousand digits. Such a bug must neither end an order nor leave it stuck. So the exception is logged with its
traceback, counted, and becomes an outcome like any other.

Two kinds of exceptions pass through: an unavailable Redis, because nothing can be settled then and the message is
redelivered, and those that end a process (`SystemExit`, `KeyboardInterrupt`).
"""

from collections.abc import Callable
from typing import TypeVar

import structlog

from willcall.orders.errors import WillcallError
from willcall.orders.outcomes import Malformed
from willcall.stores.connection import StoreError, StoreUsageError
from willcall.usecases.context import Context
from willcall.usecases.ports import Operation

log = structlog.get_logger(__name__)

T = TypeVar("T")


class UnexpectedError(WillcallError):
    """A bug that has been logged and counted. The message names only the type of the exception."""


def outcome_of(error: Exception) -> Malformed:
    """Return what an exception means for an order: an unreadable response. Raises it if Redis is unavailable."""
    if isinstance(error, StoreError) and not isinstance(error, StoreUsageError):
        raise error
    return Malformed(detail=f"our error: {type(error).__name__}")


def guarded(context: Context, operation: Operation, do: Callable[[], T], **subject: str | None) -> T | Malformed:
    """Return what `do` returns. If it raises, log and count the exception, and return what it means.

    `subject`: the order, account or sweep concerned, as fields of the log line. Raises what `outcome_of` does.
    """
    try:
        return do()
    except Exception as error:
        outcome = outcome_of(error)
        log.exception("unexpected error", operation=operation.value, **subject)
        context.meters.count_error(operation)
        return outcome
