"""Slots of an account's token bucket, and what books them (see `lua/bucket.lua`)."""

from dataclasses import dataclass
from enum import StrEnum

from willcall.stores import keys


class BookingKind(StrEnum):
    """What books a slot: a poll of an order, the fetch of its documents, or a list of the account's orders."""

    ORDER = "order"
    DOCUMENTS = "documents"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Reservation:
    """The answer to a request for a token. `now` is the server's clock; moments are epoch seconds.

    If it is granted, send the request at `at`. Otherwise ask again then; `None` means that the account is
    stopped or paused.
    """

    granted: bool
    now: float
    at: float | None

    @property
    def wait(self) -> float:
        """Seconds until `at`."""
        return 0.0 if self.at is None else max(0.0, self.at - self.now)


def booking_name(kind: BookingKind, booking_id: str) -> str:
    """Return the name of a booking in the lanes."""
    return f"{kind.value}:{booking_id}"


def lanes(account: str) -> tuple[str, str, str]:
    """Return the keys of an account's ordinary, express and late lane."""
    return keys.bookings(account), keys.express_bookings(account), keys.late_bookings(account)
