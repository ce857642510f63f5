"""Somebody who knows a callback address and reports orders there again and again, though nothing has happened."""

from collections.abc import Sequence
from random import Random
from threading import Event, Thread

import requests

#: Callbacks per second: more than twice the express share of the account that they are for, and much of its rate.
PER_SECOND = 20.0
#: Seconds that one call may take. Whether it is accepted makes no difference.
TIMEOUT = 2.0


class Flood(Thread):
    """Calls back about orders at random until it is told to stop. An API that is away misses the calls."""

    def __init__(self, url: str, references: Sequence[str], seed: int) -> None:
        """`url`: the callback address of a Tiqets account; `references`: those of its orders."""
        super().__init__(name="flood", daemon=True)
        self.calls = 0
        self._url = url
        self._references = references
        self._random = Random(seed)  # noqa: S311 - has to be repeatable
        self._enough = Event()

    def run(self) -> None:
        """Call at a steady rate."""
        with requests.Session() as session:
            session.trust_env = False
            while not self._enough.wait(1 / PER_SECOND):
                body = {"order_reference_id": self._random.choice(self._references)}
                try:
                    session.post(self._url, json=body, timeout=TIMEOUT).close()
                except requests.RequestException:
                    continue
                self.calls += 1

    def finish(self) -> int:
        """Stop calling; how many calls were answered."""
        self._enough.set()
        self.join(10.0)
        return self.calls
