"""Who did what by hand: the lines that actions leave in the histories of orders, accounts and the installation."""

from dataclasses import dataclass
from enum import StrEnum

from willcall.orders.model import Attempt, EndedBy


class Action(StrEnum):
    """What somebody did. For an order it is the outcome of an entry of its timeline."""

    POLL_REQUESTED = "poll_requested"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    AMENDED = "amended"
    ERASED = "erased"
    REDELIVERED = "redelivered"
    PAUSED = "paused"
    RESUMED = "resumed"
    LOOKED_UP = "looked_up"
    SWEPT = "swept"
    RELOADED = "reloaded"
    TRIGGERED = "triggered"
    CHECKED_OUT = "checked_out"
    DEAD_LETTER_REQUEUED = "dead_letter_requeued"
    DEAD_LETTERS_CLEARED = "dead_letters_cleared"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `name` appears in histories and logs; `is_operator`: they run Willcall, a backend does not."""

    name: str
    is_operator: bool = True

    def __str__(self) -> str:
        return self.name

    @property
    def ended_by(self) -> EndedBy:
        """Who ended an order that this actor ends."""
        return EndedBy.OPERATOR if self.is_operator else EndedBy.CALLER


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One action that concerns no single order, at an epoch second. `account`: its key, if it concerns one."""

    at: float
    action: str
    by: str
    detail: str = ""
    account: str | None = None


def timeline_entry(action: Action, actor: Actor, at: float, detail: str = "") -> Attempt:
    """Return the entry that an action leaves in an order's timeline, with the actor first in its `why`."""
    return Attempt(
        at, action.value, http_status=None, countdown=None, why=f"{actor}; {detail}" if detail else str(actor)
    )
