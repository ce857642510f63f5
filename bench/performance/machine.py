"""The machine that the bench runs on: its software, and which process runs on which core."""

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version

from willcall.devtools.embedded_redis import executable

PACKAGES = ("celery", "kombu", "redis", "hiredis", "requests", "urllib3")


def machine() -> dict[str, str]:
    """Return day, cores, interpreter, packages and Redis server."""
    server = subprocess.run([executable(), "--version"], capture_output=True, text=True, check=True)
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "cores": str(os.cpu_count()),
        platform.system(): platform.machine(),
        platform.python_implementation(): platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "redis-server": server.stdout.split("v=")[1].split()[0],
    }


def _two_cores() -> tuple[int, int]:
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


#: One core for the driver, Redis and the simulator; another one for the process that is measured.
DRIVER_CORE, MEASURED_CORE = _two_cores()


def use_driver_core() -> None:
    """Keep this process, and those it starts, off the measured core."""
    os.sched_setaffinity(0, {DRIVER_CORE})


@contextmanager
def measured_core() -> Iterator[None]:
    """Run processes that are started inside the block on the measured core."""
    os.sched_setaffinity(0, {MEASURED_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, {DRIVER_CORE})
