"""Every request that reached the simulator, with what was allowed when it arrived."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from willcall.simulator.script import ProviderName

Kind = Literal["status", "list", "token", "other"]

#: `unauthorized`: credentials that were good once (revoked or expired); `wrong`: they never were.
Auth = Literal["ok", "forbidden", "unauthorized", "wrong"]


@dataclass(slots=True)
class Entry:
    """One request. Times are epoch seconds of the simulator's clock.

    `allowed_at` is the earliest moment the provider had allowed for this order and account (None: any),
    `in_flight` how many other requests for the same order were under way, `overshoot` by how many
    requests the account's rate was exceeded, `after_final` whether the order's end had been told before.
    `status` is the HTTP status sent (None: none was), `fault` what was done on purpose, and `phase` what
    was told of the order.
    """

    number: int
    arrived: float
    provider: ProviderName
    kind: Kind
    reference: str | None
    account: str | None
    auth: Auth
    allowed_at: float | None = None
    too_early_by: float = 0.0
    in_flight: int = 0
    overshoot: float = 0.0
    after_final: bool = False
    finished: float | None = None
    status: int | None = None
    fault: str | None = None
    phase: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The entry as it is shown and written."""
        return asdict(self)


@dataclass(slots=True)
class PushEntry:
    """One call that the simulator made. `status` and `answer` (the body) are None where there was no answer.

    `attempt` counts from 1; `accepted` says whether the provider takes that for an answer.
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
        """The entry as it is shown."""
        return asdict(self)


class Ledger:
    """The entries in order of arrival; with a `path`, each is also appended there when it is finished.

    `pushes` are the calls made by the simulator, in the order in which they were answered.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.entries: list[Entry] = []
        self.pushes: list[PushEntry] = []
        self._numbers = 0
        self._file = path.open("a", encoding="utf-8") if path else None

    def next_number(self) -> int:
        """The number of the next request: 1, 2, 3, ... over the whole run."""
        self._numbers += 1
        return self._numbers

    def add(self, entry: Entry) -> None:
        """Note a request that has arrived."""
        self.entries.append(entry)

    def finish(self, entry: Entry, at: float) -> None:
        """Note that the request was answered or given up."""
        entry.finished = at
        if self._file:
            self._file.write(json.dumps(entry.as_json(), separators=(",", ":")) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file:
            self._file.close()
