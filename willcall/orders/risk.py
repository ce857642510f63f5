"""When an order without all its tickets is at risk, because its event is near.

Example: an order submitted at 17:00 for an event at 20:00, with `notify.at_risk` of a day. A day before the event is
over. So it is at risk 15 minutes after its submission, at 17:15; half of the time left would have been 18:30. That is
165 minutes before the event, so its backend is notified again at 19:18:45, a quarter of them before it.
"""

from dataclasses import dataclass

#: Seconds that an order has at least before it is at risk, or half of the time left.
_PATIENCE = 900.0
#: Seconds between the two notifications at least.
_PAUSE = 900.0
#: The share of the time at risk that is left at the second notification.
_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Risk:
    """The risk of an order without all its tickets.

    `count`: how many notifications are due by now, 0 if it is not at risk. `next_at`: when that changes, if it does.
    """

    count: int
    next_at: float | None

    @property
    def at_risk(self) -> bool:
        return self.count > 0


def risk_moments(submitted_at: float, event_at: float, lead: float) -> tuple[float, ...]:
    """Return when a backend is notified that an order is at risk: none to two moments, all before the event."""
    left = event_at - submitted_at
    if left <= 0 or lead <= 0:
        return ()
    first = max(event_at - lead, submitted_at + min(_PATIENCE, left / 2))
    second = max(event_at - (event_at - first) * _SHARE, first + _PAUSE)
    return (first, second) if second < event_at else (first,)


def risk_at(now: float, submitted_at: float, event_at: float, lead: float) -> Risk:
    """Return the risk at `now`. From the event on there is none any more."""
    if now >= event_at:
        return Risk(0, None)
    moments = risk_moments(submitted_at, event_at, lead)
    count = sum(moment <= now for moment in moments)
    return Risk(count, [*moments, event_at][count])
