"""Finding the Redis of a `willcall up` in the same folder.

`up` writes a file with the server's address, readable by its owner alone, and removes it at the end. After a crash the
file stays; its address counts only while the server responds.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

FOLDER = Path("var")
REDIS_FOLDER = FOLDER / "redis"
FILE = FOLDER / "up.json"


@dataclass(frozen=True, slots=True)
class RunningDeployment:
    """A `willcall up`. `started` (epoch seconds) tells its process from a later one with the same pid."""

    pid: int
    started: float
    redis_url: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def find_running() -> RunningDeployment | None:
    """Return what the file of this folder names, whether it still runs or not."""
    try:
        return RunningDeployment(**json.loads(FILE.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def find_redis_url() -> str | None:
    """Return the address of this folder's Redis, or `None` if none responds."""
    running = find_running()
    return running.redis_url if running and responds(running.redis_url) else None


def responds(url: str) -> bool:
    """Return whether the Redis at `url` responds."""
    try:
        with Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except (RedisError, ValueError):
        return False
