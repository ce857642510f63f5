"""Sessions of operators that were ended before their time. All others are known by their signature alone."""

from typing import TYPE_CHECKING

from willcall.stores import keys

if TYPE_CHECKING:
    from redis import Redis


class SessionStore:
    """Ended sessions in Redis."""

    def __init__(self, redis: "Redis") -> None:
        """`redis` decodes responses."""
        self._redis = redis

    def end(self, session_id: str, seconds: int) -> None:
        """Remember that a session is over, for as long as its signature may still hold."""
        self._redis.set(keys.ended_session(session_id), 1, ex=seconds)

    def is_ended(self, session_id: str) -> bool:
        """Whether somebody has ended it."""
        return bool(self._redis.exists(keys.ended_session(session_id)))
