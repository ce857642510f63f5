"""Slots of a token bucket, and what books them (see `lua/bucket.lua`)."""

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


def lanes(bucket: str) -> tuple[str, str, str]:
    """Return the keys of a bucket's ordinary, express and late lane."""
    return keys.bookings(bucket), keys.express_bookings(bucket), keys.late_bookings(bucket)


def booking_indexes(bucket: str) -> tuple[str, ...]:
    """Return the keys with which a script gives a slot to another booking; see `lua/bookings.lua`.

    Where accounts share a bucket, that may be one of another account. So it gets keys without their account or order.
    """
    return keys.stranded(bucket), keys.order(""), keys.due(""), keys.account(""), keys.FETCHES_DUE, keys.urgent(bucket)
