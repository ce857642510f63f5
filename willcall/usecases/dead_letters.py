"""Requeue or clear dead letters. Every change is logged with where it was made."""

import structlog

from willcall.orders.errors import UnknownDeadLetterError, UnusableDeadLetterError
from willcall.schemas import operations as schemas
from willcall.schemas.base import utc
from willcall.stores.dead_letters import DeadLetter
from willcall.usecases.context import Context
from willcall.usecases.ports import Via

log = structlog.get_logger(__name__)


def requeue(context: Context, letter_id: str, via: Via) -> DeadLetter:
    """Send a dead letter back to its queue, and remove it from the list.

    Raises UnknownDeadLetterError, UnusableDeadLetterError, BrokerUnavailableError.
    """
    letters = context.stores.dead_letters
    letter = letters.get(letter_id)
    if letter is None:
        raise UnknownDeadLetterError(letter_id)
    if not letter.is_complete:
        raise UnusableDeadLetterError(letter_id, f"only its first {len(letter.raw):,} bytes were kept")
    try:
        context.sender.requeue(letter)
    except ValueError:
        raise UnusableDeadLetterError(letter_id, f"it {letter.reason.text}") from None
    letters.remove(letter_id)
    log.info("dead letter requeued", id=letter_id, queue=letter.queue, via=via)
    return letter


def clear(context: Context, via: Via) -> int:
    """Delete all dead letters. Returns how many."""
    deleted = context.stores.dead_letters.clear()
    log.info("dead letters cleared", count=deleted, via=via)
    return deleted


def dead_letter_schema(letter: DeadLetter) -> schemas.DeadLetter:
    return schemas.DeadLetter(
        id=letter.id,
        queue=letter.queue,
        at=utc(letter.at),
        reason=letter.reason.value,
        size=letter.size,
        truncated=not letter.is_complete,
        raw=letter.raw.decode(errors="backslashreplace"),
    )
