"""Lines of messages that wait for one of a few places, and come back one after the other rather than all at once."""

from dataclasses import dataclass
from random import uniform

#: A message comes back after this many seconds at least.
SOONEST = 0.05


@dataclass(slots=True)
class Line:
    """Those who wait for the same places: when the next one is free, and for how many seconds one is held."""

    free_at: float
    held_for: float = 0.1

    def book(self, now: float, places: int, longest: float) -> float:
        """Seconds until the next of `places` is free; the one after is free that much later.

        Whoever would wait for longer than `longest` books nothing, and asks again at some time before that.
        """
        wait = max(SOONEST, self.free_at - now)
        if wait > longest:
            return uniform(longest / 2, longest)  # noqa: S311 - spreads load
        self.free_at = now + wait + self.held_for / places
        return wait
