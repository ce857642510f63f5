"""The schema of the state in Redis: which releases can read it.

Releases beside each other work on the same keys. CONTRIBUTING ("Change what is stored") says when these numbers change.

For example, the state says number 3, readable by 2. A release of schema 2 reads it, because the release that wrote it
still wrote what schema 2 reads. A release of schema 1 refuses it.
"""

from typing import TYPE_CHECKING, Any

from willcall.orders.errors import WillcallError
from willcall.stores import keys
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis

#: The schema of this release. A release that stores anything in another form has the next number.
NUMBER = 1
#: The oldest schema that this release reads: that of the release before, or its own.
OLDEST = 1
#: The least schema that reads what this release writes: that of the release before, or its own.
READABLE_BY = 1

#: What is written with the first order.
RECORD = {"number": NUMBER, "readable_by": READABLE_BY}

_GUIDE = "see docs/ops/upgrading.md"
_REASONS = {
    "newer": "was written by a newer release: this one knows schema {own}, and the state needs {readable_by} or later. "
    "Start the newer release again; {guide}",
    "older": "was written by a release that is too old: it has schema {number}, and this release reads {oldest} and "
    "later. Run the release between them first; {guide}",
    "unversioned": "has orders but no schema: it was written before the first release. Nothing was changed. Set "
    "`redis_url` to an empty database, and have your backends submit their open orders again; {guide}",
}


class UnreadableStateError(WillcallError):
    """This release cannot read the state in Redis. Nothing was written."""


class SchemaStore:
    """The schema in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._open = load(redis, "open_state")

    def open(self) -> None:
        """Record that this release works on the state. Raises UnreadableStateError if it cannot."""
        self._check(record=True)

    def check(self) -> None:
        """Check that this release can read the state. Raises UnreadableStateError."""
        self._check(record=False)

    def _check(self, **flags: Any) -> None:
        verdict, number, readable_by = self._open(
            keys=[keys.SCHEMA, keys.SUBMISSIONS], args={**RECORD, "oldest": OLDEST, **flags}
        )
        if verdict != "ok":
            values = {"own": NUMBER, "oldest": OLDEST, "number": number, "readable_by": readable_by, "guide": _GUIDE}
            raise UnreadableStateError(f"the state in Redis {_REASONS[verdict].format(**values)}")
