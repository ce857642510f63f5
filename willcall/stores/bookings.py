"""Booked slots, and the messages that are due when one of them passes to somebody else (see `lua/bookings.lua`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from willcall.stores import keys


class BookingKind(StrEnum):
    """What books slots: an order's attempts, the fetching of its documents, and lists of an account's orders."""

    ORDER = "order"
    DOCUMENTS = "documents"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Reschedule:
    """A message to send, because what it is about is due sooner than it was. `due` is in epoch seconds."""

    kind: BookingKind
    id: str
    seq: int
    due: float


@dataclass(frozen=True, slots=True)
class Reservation:
    """The answer to a request for a token. `now` is the server's clock; both are epoch seconds.

    `granted`: send it at `at`. Else ask again then; None where the account sends nothing for now.
    """

    granted: bool
    now: float
    at: float | None

    @property
    def wait(self) -> float:
        """Seconds until `at`."""
        return 0.0 if self.at is None else max(0.0, self.at - self.now)


def booking_name(booker: BookingKind, booker_id: str) -> str:
    """Return the name of a booking."""
    return f"{booker.value}:{booker_id}"


def lanes(account: str) -> tuple[str, str, str]:
    """Return the keys of an account's bookings: the ordinary ones, those of the express share, those who came late."""
    return keys.bookings(account), keys.express_bookings(account), keys.late_bookings(account)


def read_reschedules(flat: Sequence[Any]) -> tuple[Reschedule, ...]:
    """Return the wakes that a script answered."""
    found = []
    for name, seq, due in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
        booker, _, booker_id = name.partition(":")
        found.append(Reschedule(BookingKind(booker), booker_id, int(seq), due / 1_000))
    return tuple(found)
