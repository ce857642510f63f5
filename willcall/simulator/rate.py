"""Whether a stream of requests keeps to a rate."""

from willcall.simulator.script import Rate


class Bucket:
    """A token bucket that lends: what it is owed is the overshoot of the worst window that ends now.

    Over every window of `w` seconds a client may send `burst + limit / period * w` requests.
    """

    def __init__(self, rate: Rate, *, jitter: float = 0.0) -> None:
        """`jitter` (seconds) is how much the network may hold up one request more than another."""
        self._per_second = rate.limit / rate.period
        self._capacity = rate.burst + self._per_second * jitter
        self._tokens = self._capacity
        self._last: float | None = None

    def take(self, at: float) -> float:
        """Count a request at epoch second `at`; by how many requests it is over the rate, 0 when within."""
        elapsed = 0.0 if self._last is None else max(at - self._last, 0.0)
        self._last = at if self._last is None else max(at, self._last)
        self._tokens = min(self._tokens + elapsed * self._per_second, self._capacity) - 1
        return max(-self._tokens, 0.0)
