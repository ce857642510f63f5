"""Operators' sessions that were ended early. All others are valid by their signature alone."""

from typing import TYPE_CHECKING

from willcall.stores import keys

if TYPE_CHECKING:
    from redis import Redis


class SessionStore:
    """Ended sessions in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def end(self, session_id: str, seconds: int) -> None:
        """End a session. Its signature may be valid for `seconds` more."""
        self._redis.set(keys.ended_session(session_id), 1, ex=seconds)

    def is_ended(self, session_id: str) -> bool:
        """Return whether a session was ended."""
        return bool(self._redis.exists(keys.ended_session(session_id)))
