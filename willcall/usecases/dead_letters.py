"""Requeue or clear dead letters. Each change leaves who made it."""

import structlog

from willcall.orders.errors import UnknownDeadLetterError, UnusableDeadLetterError
from willcall.orders.history import Action, Actor
from willcall.schemas import operations as schemas
from willcall.schemas.base import utc
from willcall.stores.dead_letters import DeadLetter
from willcall.stores.letter_contents import shown_text
from willcall.usecases.context import Context
from willcall.usecases.history import record_action

log = structlog.get_logger(__name__)


def requeue(context: Context, letter_id: str, actor: Actor) -> DeadLetter:
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
    record_action(context, Action.DEAD_LETTER_REQUEUED, actor, f"to {letter.queue}")
    log.info("dead letter requeued", id=letter_id, queue=letter.queue, by=actor.name)
    return letter


def clear(context: Context, actor: Actor) -> int:
    """Delete all dead letters. Returns how many."""
    deleted = context.stores.dead_letters.clear()
    record_action(context, Action.DEAD_LETTERS_CLEARED, actor, f"{deleted:,} deleted")
    log.info("dead letters cleared", count=deleted, by=actor.name)
    return deleted


def dead_letter_schema(letter: DeadLetter) -> schemas.DeadLetter:
    return schemas.DeadLetter(
        id=letter.id,
        queue=letter.queue,
        at=utc(letter.at),
        reason=letter.reason.value,
        size=letter.size,
        truncated=not letter.is_complete,
        raw=shown_text(letter.raw),
    )
