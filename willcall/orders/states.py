"""The state machine, in one table."""

from collections.abc import Mapping

from willcall.orders.model import Status

_P, _F, _X = Status.PARTIAL, Status.FULFILLED, Status.EXPIRED
_REFUND = {Status.FAILED, Status.CANCELLED}

#: From each status, the statuses it may become. The two late truths are the entries of final ones.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({_P, _F, _X} | _REFUND),
    Status.PARTIAL: frozenset({_F, _X} | _REFUND),
    Status.FULFILLED: frozenset({Status.CANCELLED}),
    Status.EXPIRED: frozenset({_F} | _REFUND),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}

#: Statuses in which an order is polled by itself.
OPEN = frozenset({Status.PENDING, Status.PARTIAL})

#: Statuses that end an order.
FINAL = frozenset(Status) - OPEN

#: Statuses that nothing can change any more.
CLOSED = frozenset(status for status in Status if not TRANSITIONS[status])


def count_open(counts: Mapping[Status, int]) -> int:
    """How many of orders counted by status are open."""
    return sum(counts[status] for status in OPEN)


def can_become(old: Status, new: Status) -> bool:
    """Whether `old -> new` is a change that the table allows; staying the same is not a change."""
    return new in TRANSITIONS[old]
