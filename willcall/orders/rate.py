"""How often an account may be asked."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens of an account: `limit` per `period` seconds, at most `burst` at once."""

    limit: float
    period: float
    burst: int
