"""How commands find the Redis that a `willcall up` in the same folder started.

`up` leaves a file with the server's address, readable by its owner alone, and removes it at the end. After
a crash the file stays behind; it counts only while the server answers.
"""
# ruff: noqa: PLC0415 - a command that finds no such file needs none of these modules

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path("var")
REDIS_FOLDER = FOLDER / "redis"
#: Seconds that abandoned processes get to finish what they are doing.
STOP_TIMEOUT = 10.0

_FILE = FOLDER / "up.json"


@dataclass(frozen=True, slots=True)
class RunningDeployment:
    """A `willcall up`: its process, when that started (which tells it from a later one of its number), its Redis."""

    pid: int
    started: float
    redis_url: str

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        import psutil

        try:
            return bool(psutil.Process(self.pid).create_time() == self.started)
        except psutil.Error:
            return False


def redis_url() -> str | None:
    """Where the Redis of this folder is, None where none answers."""
    running = find_running()
    return running.redis_url if running and _answers(running.redis_url) else None


def find_running() -> RunningDeployment | None:
    """What a `willcall up` left in this folder, whether it still runs or not."""
    try:
        return RunningDeployment(**json.loads(_FILE.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def announce(url: str) -> Iterator[None]:
    """Let other commands in this folder find the Redis at `url`, for the block."""
    import psutil

    running = RunningDeployment(os.getpid(), psutil.Process().create_time(), url)
    FOLDER.mkdir(exist_ok=True)
    _FILE.unlink(missing_ok=True)
    with os.fdopen(os.open(_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(running), file)
    try:
        yield
    finally:
        _FILE.unlink(missing_ok=True)


def stop_abandoned(running: RunningDeployment) -> None:
    """End what an `up` that was killed left running: its processes, then its Redis.

    The processes are those that were given its Redis, whose password is like no other. Two servers must not
    write the same files.
    """
    import psutil
    from redis import Redis

    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("WILLCALL_REDIS_URL") == running.redis_url:
                process.terminate()
                left.append(process)
    _, still_there = psutil.wait_procs(left, timeout=STOP_TIMEOUT)
    for process in still_there:
        process.kill()
    if _answers(running.redis_url):
        with Redis.from_url(running.redis_url) as client:
            client.shutdown()


def _answers(url: str) -> bool:
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        with Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except (RedisError, ValueError):
        return False
