"""The settings of an account that control how often its orders are polled."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Rate:
    """The token bucket of an account: `limit` requests per `period` seconds, at most `burst` at once.

    `shared`: a name that puts all accounts whose rate has it under one bucket; None for a bucket of its own.
    """

    limit: float
    period: float
    burst: int
    shared: str | None = None

    def bucket(self, account_key: str) -> str:
        """Return the name of an account's bucket. That of a shared one is no account's key, which has a slash."""
        return f"shared:{self.shared}" if self.shared else account_key


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """An account's polling settings, in seconds: the table `[providers.<provider>.<account>.polling]`.

    The strategy `exponential` waits `initial`, `initial * factor`, `initial * factor**2`, ... up to `cap`; `interval`
    waits a random time between the two numbers of `interval`. See `countdown.py`.
    """

    strategy: Literal["exponential", "interval"] = "exponential"
    initial: float = 5.0
    factor: float = 2.0
    cap: float = 600.0
    interval: tuple[float, float] = (300.0, 600.0)
    minimum: float = 1.0
    ceiling: float = 86_400.0
    missing_grace: float = 300.0
    throttle_pause: float = 60.0
