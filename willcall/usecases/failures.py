"""What an unexpected exception means: one rule for every place that works on what others have sent.

A provider, a backend or a person can send what our code did not foresee: nesting that exhausts the stack, a date that
no calendar has, a number of five thousand digits. That is a mistake of ours, and it must neither end an order nor leave
it without an end. So the exception becomes an outcome like any other, is logged with its traceback and counted.

What passes through: a Redis that is away, since nothing can be settled then and the message is delivered again, and
what ends a process (`SystemExit`, `KeyboardInterrupt`), which is no `Exception`.
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
    """Something failed by a mistake of ours, which has been logged and counted. Says only the kind of error."""


def outcome_of(error: Exception) -> Malformed:
    """Return what an exception means for an order: an answer that we cannot read.

    Raises the exception itself where Redis is away.
    """
    if isinstance(error, StoreError) and not isinstance(error, StoreUsageError):
        raise error
    return Malformed(detail=f"our error: {type(error).__name__}")


def guarded(context: Context, operation: Operation, do: Callable[[], T], **subject: str | None) -> T | Malformed:
    """Return what `do` returns; where it raises, log that with its traceback, count it, and return what it means.

    `subject`: the order, account or sweep that it is about, as fields of the log line. Raises as `outcome_of` does.
    """
    try:
        return do()
    except Exception as error:
        outcome = outcome_of(error)
        log.exception("unexpected error", operation=operation.value, **subject)
        context.meters.count_error(operation)
        return outcome
