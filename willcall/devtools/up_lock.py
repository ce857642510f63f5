"""One `willcall up` per folder: announcing the running one, and stopping what a killed one left."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from redis import Redis

from willcall.devtools.discovery import FILE, RunningDeployment, responds
from willcall.stores.private_folders import make_private_folder

#: Seconds that abandoned processes get to finish what they are doing.
STOP_TIMEOUT = 10.0


@contextmanager
def announce(redis_url: str) -> Iterator[None]:
    """Let other commands in this folder find the Redis, for the block."""
    running = RunningDeployment(os.getpid(), psutil.Process().create_time(), redis_url)
    make_private_folder(FILE.parent)
    draft = FILE.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(running.to_json())
    draft.replace(FILE)
    try:
        yield
    finally:
        FILE.unlink(missing_ok=True)


def is_alive(running: RunningDeployment) -> bool:
    """Return whether its process still runs."""
    try:
        return bool(psutil.Process(running.pid).create_time() == running.started)
    except psutil.Error:
        return False


def stop_abandoned(running: RunningDeployment) -> None:
    """Stop what a killed `up` left running: its processes, then its Redis, as two servers must not share files.

    Its processes have the address of its Redis, whose password is unique, in their environment.
    """
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("WILLCALL_REDIS_URL") == running.redis_url:
                process.terminate()
                left.append(process)
    _, still_running = psutil.wait_procs(left, timeout=STOP_TIMEOUT)
    for process in still_running:
        process.kill()
    if responds(running.redis_url):
        with Redis.from_url(running.redis_url) as client:
            client.shutdown()
