"""When a fulfilled order is polled again, in case the provider cancels it late.

Every six hours, and every hour on the last day before its event; never from the event on. Without an `event_at`, every
six hours for a week: nobody knows how long the order matters.

Example: an order for Saturday, 20:00, whose tickets came on Wednesday at 10:00, is polled at 16:00, 22:00, 4:00, ... On
Friday, the last of these polls is at 16:00. The next one is at 20:00, a day before the event, and from then on one
follows each hour. The last one is at 19:00 on Saturday.
"""

from willcall.orders.completion import is_completed_by_hand
from willcall.orders.model import CLOSED, Order, Status

#: Seconds between two polls, and on the last day.
EVERY, EVERY_ON_THE_LAST_DAY = 6 * 3_600.0, 3_600.0
_LAST_DAY = 86_400.0
#: Seconds for which a fulfilled order without an event is watched.
WITHOUT_EVENT = 7 * _LAST_DAY


def watched_until(order: Order) -> float:
    """Return when an order is no longer watched (epoch seconds): at its event, or a week after it was fulfilled."""
    if order.event_at is not None:
        return order.event_at
    return order.finished_at + WITHOUT_EVENT if order.status is Status.FULFILLED and order.finished_at else 0.0


def next_watch_at(order: Order, now: float) -> float | None:
    """Return when to look at an order next (epoch seconds, perhaps past), or `None` if it is not watched any more.

    An order that is not fulfilled yet is looked at as well, but not polled: it may be fulfilled by then. One that
    somebody completed by hand is not watched: no answer of the provider can change it. Nor is one with credentials of
    its own user, which are forgotten at its end.
    """
    unwatched = order.user_bound or order.erased_at is not None or is_completed_by_hand(order)
    if order.status in CLOSED or unwatched:
        return None
    until, last = watched_until(order), max(order.last_poll_at or 0.0, order.finished_at or order.submitted_at)
    following = last + EVERY
    if order.event_at is not None:
        following = min(following, max(last + EVERY_ON_THE_LAST_DAY, order.event_at - _LAST_DAY))
    return following if max(following, now) < until else None
