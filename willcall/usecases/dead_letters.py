"""What an operator can do with dead letters. Every change is logged with who made it."""

from enum import StrEnum
from typing import Any

import structlog

from willcall.orders.errors import UnknownDeadLetterError, UnusableDeadLetterError
from willcall.orders.serialization import rfc3339
from willcall.stores.dead_letters import DeadLetter
from willcall.usecases.context import Context

log = structlog.get_logger(__name__)


class Via(StrEnum):
    """Where an operator gave a command."""

    API = "api"
    BOARD = "board"
    COMMAND_LINE = "command line"


def requeue(context: Context, letter_id: str, via: Via) -> DeadLetter:
    """Send a dead letter back to its queue, and remove it from the list.

    Raises UnknownDeadLetterError, UnusableDeadLetterError, BrokerUnavailableError.
    """
    letters = context.stores.dead_letters
    letter = letters.get(letter_id)
    if letter is None:
        raise UnknownDeadLetterError(letter_id)
    if not letter.whole:
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


def dead_letter_document(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter as JSON."""
    return {
        "id": letter.id,
        "queue": letter.queue,
        "at": rfc3339(letter.at),
        "reason": letter.reason.value,
        "size": letter.size,
        "truncated": not letter.whole,
        "raw": letter.raw.decode(errors="backslashreplace"),
    }
