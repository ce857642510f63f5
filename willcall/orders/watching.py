"""When a fulfilled order is polled again, in case the provider cancels it before its event.

Every six hours, and every hour on the last day; never from the event on.

Example: an order for Saturday, 20:00, whose tickets came on Wednesday at 10:00, is polled at 16:00, 22:00, 4:00, ... On
Friday, the last of these polls is at 16:00. The next one is at 20:00, a day before the event, and from then on one
follows each hour. The last one is at 19:00 on Saturday.
"""

from willcall.orders.completion import is_completed_by_hand
from willcall.orders.model import CLOSED, Order

#: Seconds between two polls, and on the last day.
EVERY, EVERY_ON_THE_LAST_DAY = 6 * 3_600.0, 3_600.0
_LAST_DAY = 86_400.0


def next_watch_at(order: Order, now: float) -> float | None:
    """Return when to look at an order next (epoch seconds, perhaps past), or `None` if it is not watched any more.

    An order that is not fulfilled yet is looked at as well, but not polled: it may be fulfilled by then. One that
    somebody completed by hand is not watched: no answer of the provider can change it. Nor is one with credentials of
    its own user, which are forgotten at its end.
    """
    unwatched = order.user_bound or order.erased_at is not None or is_completed_by_hand(order)
    if order.event_at is None or order.status in CLOSED or unwatched:
        return None
    last = max(order.last_poll_at or 0.0, order.finished_at or order.submitted_at)
    following = min(last + EVERY, max(last + EVERY_ON_THE_LAST_DAY, order.event_at - _LAST_DAY))
    return following if max(following, now) < order.event_at else None
