"""What checks work with."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from willcall.config import Config
from willcall.stores.connection import connect
from willcall.stores.processes import ProcessStore
from willcall.stores.registry import Stores

if TYPE_CHECKING:
    from redis import Redis

#: Seconds after which a check is given up.
CHECK_TIMEOUT = 5.0
#: Seconds without a response after which Redis is unreachable. Nothing is retried, as all connections are new.
REDIS_TIMEOUT, REDIS_RETRIES = 2.0, 0


@dataclass
class CheckContext:
    """The configuration and its Redis. `clock` is this machine's, in epoch seconds."""

    config: Config
    clock: Callable[[], float] = time.time
    redis: "Redis" = field(init=False)

    def __post_init__(self) -> None:
        """Connects on first use."""
        self.redis = connect(self.config.settings.redis_url, timeout=REDIS_TIMEOUT, retries=REDIS_RETRIES)

    @cached_property
    def stores(self) -> Stores:
        return Stores.connect(self.config.settings.redis_url, REDIS_TIMEOUT, REDIS_RETRIES)

    @property
    def processes(self) -> ProcessStore:
        return ProcessStore(self.redis)

    def now(self) -> float:
        """Return the time of Redis in epoch seconds. Raises StoreError."""
        moment, micros = self.redis.time()
        return float(moment + micros / 1e6)
