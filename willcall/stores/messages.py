"""Messages that poll orders and fetch documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from willcall.stores.bookings import BookingKind


@dataclass(frozen=True, slots=True)
class PollMessage:
    """A message that polls an order, with the order's sequence number, due at an epoch second.

    `has_slot`: it comes back at a booked slot and should not queue behind messages without one.
    """

    order_id: str
    seq: int
    due: float
    has_slot: bool = False


@dataclass(frozen=True, slots=True)
class Reschedule:
    """A message to send because a booking became due sooner: at `due`, an epoch second.

    `account`: the key of its account, which may be another one than that whose slot it got.
    """

    kind: BookingKind
    id: str
    account: str
    seq: int
    due: float


def read_reschedules(flat: Sequence[Any]) -> tuple[Reschedule, ...]:
    """Return the reschedules in the reply of a script (see `lua/bookings.lua`)."""
    found = []
    for booking, account, seq, due in zip(flat[::4], flat[1::4], flat[2::4], flat[3::4], strict=True):
        kind, _, booking_id = booking.partition(":")
        found.append(Reschedule(BookingKind(kind), booking_id, account, int(seq), due / 1_000))
    return tuple(found)
