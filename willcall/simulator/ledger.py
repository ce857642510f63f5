"""The ledger: every request that reached the simulator, and every push that it sent."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from willcall.simulator.script import ProviderName

#: `details`: a request of the same attempt for more about what a status request showed.
RequestKind = Literal["status", "details", "list", "token", "report", "checkout", "other"]

#: `unauthorized`: the credentials were valid once (now revoked or expired). `wrong`: they never were.
AuthResult = Literal["ok", "forbidden", "unauthorized", "wrong"]


@dataclass(slots=True)
class LedgerEntry:
    """One request. Times are epoch seconds of the simulator's clock."""

    number: int
    arrived: float
    provider: ProviderName
    kind: RequestKind
    reference: str | None
    account: str | None
    auth: AuthResult
    #: The earliest moment that the provider allowed for this order and account; None is any.
    allowed_at: float | None = None
    too_early_by: float = 0.0
    #: Other requests for the same order that were still being answered.
    in_flight: int = 0
    #: By how many requests the account's rate was exceeded.
    overshoot: float = 0.0
    #: Whether a final status of the order had been reported before.
    after_final: bool = False
    finished: float | None = None
    #: The HTTP status sent; None if there was no response.
    status: int | None = None
    #: The scripted fault, if any.
    fault: str | None = None
    #: The order status that the response reported.
    order_status: str | None = None
    #: The status word that the client set by its request.
    reported_word: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class PushEntry:
    """One push that the simulator sent. `status` and `answer` (the body) are None if there was no response.

    `attempt` counts from 1; `accepted` says whether the response confirmed the push.
    """

    number: int
    sent: float
    provider: ProviderName
    account: str
    reference: str
    kind: str
    attempt: int
    status: int | None = None
    answer: str | None = None
    accepted: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Ledger:
    """Entries in order of arrival. With a `path`, each is also appended to that file once it is finished.

    `pushes` are the pushes sent by the simulator, in the order in which they were answered.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.entries: list[LedgerEntry] = []
        self.pushes: list[PushEntry] = []
        self._numbers = 0
        self._file = path.open("a", encoding="utf-8") if path else None

    def next_number(self) -> int:
        """Return the number of the next request: 1, 2, 3, ... over the whole run."""
        self._numbers += 1
        return self._numbers

    def add(self, entry: LedgerEntry) -> None:
        """Record a request that has arrived."""
        self.entries.append(entry)

    def finish(self, entry: LedgerEntry, at: float) -> None:
        """Record that the request was answered or its connection closed."""
        entry.finished = at
        if self._file:
            self._file.write(json.dumps(entry.as_json(), separators=(",", ":")) + "\n")
            self._file.flush()

    def close(self) -> None:
        if self._file:
            self._file.close()
