"""Messages that no task could process, stored for operators."""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from willcall.stores import keys

if TYPE_CHECKING:
    from redis import Redis

_Entry = tuple[str, dict[str, str]]

#: How many are stored, the newest, and how many bytes of each.
KEPT, LONGEST = 500, 16_384

#: The ids of a stream. Redis rejects anything else.
_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")


class DeadLetterReason(StrEnum):
    """Why a message could not be processed."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    CONTENT_TYPE = "content_type"
    MALFORMED = "malformed"
    UNKNOWN_TASK = "unknown_task"
    UNFINISHED = "unfinished"
    FAILED = "failed"

    @property
    def text(self) -> str:
        """The reason in words."""
        return _TEXTS[self]


_TEXTS = {
    DeadLetterReason.UNREADABLE: "is not JSON as Celery writes it",
    DeadLetterReason.TOO_LARGE: "is longer than 1 MiB",
    DeadLetterReason.CONTENT_TYPE: "is not serialized as JSON",
    DeadLetterReason.MALFORMED: "is not a task message",
    DeadLetterReason.UNKNOWN_TASK: "names a task that does not exist",
    DeadLetterReason.UNFINISHED: "was started repeatedly, and never finished",
    DeadLetterReason.FAILED: "made our own code fail; the log has the stack",
}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was stored at an epoch second. `raw` is its first `LONGEST` bytes, `size` all of them."""

    id: str
    queue: str
    at: float
    reason: DeadLetterReason
    size: int
    raw: bytes

    @property
    def is_complete(self) -> bool:
        """Whether `raw` is the whole message."""
        return len(self.raw) == self.size


class DeadLetterStore:
    """Dead letters in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def add(self, queue: str, reason: DeadLetterReason, raw: bytes) -> None:
        """Store a message and count it. The oldest one beyond `KEPT` is removed."""
        stored = b64encode(raw[:LONGEST]).decode()
        fields = {"queue": queue, "reason": reason.value, "size": len(raw), "raw": stored}
        pipe = self._redis.pipeline()
        pipe.xadd(keys.DEAD_LETTERS, fields, maxlen=KEPT, approximate=False)  # type: ignore[arg-type]
        pipe.hincrby(keys.DEAD_LETTER_COUNTS, reason.value, 1)
        pipe.execute()

    def count(self) -> int:
        """Return how many are stored."""
        return int(self._redis.xlen(keys.DEAD_LETTERS))

    def counts(self) -> dict[str, int]:
        """Return how many there ever were by reason, zeros included."""
        found = cast("dict[str, str]", self._redis.hgetall(keys.DEAD_LETTER_COUNTS))
        return {reason.value: int(found.get(reason.value, 0)) for reason in DeadLetterReason}

    def newest(self, count: int = KEPT, *, before: str | None = None) -> list[DeadLetter]:
        """Return the newest first; with `before`, those older than that id."""
        if before is not None and not before.strip("0-"):
            return []  # Redis calls an interval that ends before 0-0 an error
        last = f"({before}" if before else "+"
        found = cast("list[_Entry]", self._redis.xrevrange(keys.DEAD_LETTERS, last, count=count))
        return [_letter(*entry) for entry in found]

    def get(self, letter_id: str) -> DeadLetter | None:
        """Return one, or `None`."""
        if not _ID.fullmatch(letter_id):
            return None
        found = cast("list[_Entry]", self._redis.xrange(keys.DEAD_LETTERS, letter_id, letter_id))
        return _letter(*found[0]) if found else None

    def remove(self, letter_id: str) -> bool:
        """Remove one. Returns whether it existed."""
        return bool(self._redis.xdel(keys.DEAD_LETTERS, letter_id))

    def clear(self) -> int:
        """Remove all. Returns how many there were."""
        pipe = self._redis.pipeline()
        pipe.xlen(keys.DEAD_LETTERS)
        pipe.delete(keys.DEAD_LETTERS)
        count: int = pipe.execute()[0]
        return count


def _letter(entry: str, fields: dict[str, str]) -> DeadLetter:
    return DeadLetter(
        id=entry,
        queue=fields["queue"],
        at=int(entry.partition("-")[0]) / 1_000,
        reason=DeadLetterReason(fields["reason"]),
        size=int(fields["size"]),
        raw=b64decode(fields["raw"]),
    )
