"""Whom the doctor looks at."""
# ruff: noqa: PLC0415 - see cli.session

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from willcall.stores.connection import connect
from willcall.stores.processes import ProcessStore

if TYPE_CHECKING:
    from redis import Redis

    from willcall.config import Config
    from willcall.stores.registry import Stores

#: Seconds after which a check that has not ended is given up.
TIMEOUT = 5.0
#: Seconds of silence that mean that Redis is away. Nothing is asked twice: all connections are fresh ones.
REDIS_TIMEOUT, REDIS_RETRIES = 2.0, 0


@dataclass
class Patient:
    """What the checks work with; `clock` is this machine's, epoch seconds."""

    config: "Config"
    clock: Callable[[], float] = time.time
    redis: "Redis" = field(init=False)

    def __post_init__(self) -> None:
        """Connects on first use."""
        self.redis = connect(self.config.settings.redis_url, timeout=REDIS_TIMEOUT, retries=REDIS_RETRIES)

    @cached_property
    def stores(self) -> "Stores":
        """All stores, which are much to import."""
        from willcall.stores.registry import Stores

        return Stores.connect(self.config.settings.redis_url, REDIS_TIMEOUT, REDIS_RETRIES)

    @property
    def processes(self) -> ProcessStore:
        """The store that quick checks need, without the others."""
        return ProcessStore(self.redis)

    def now(self) -> float:
        """Redis' clock, epoch seconds. Raises StoreError."""
        moment, micros = self.redis.time()
        return float(moment + micros / 1e6)
