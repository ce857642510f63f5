"""What the bench ran on, without naming the machine."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version

from willcall.devtools.embedded_redis import executable

PACKAGES = ("celery", "kombu", "redis", "hiredis", "requests", "urllib3")


def machine() -> dict[str, str]:
    """Day, cores, interpreter, packages and server."""
    server = subprocess.run([executable(), "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "cores": str(os.cpu_count()),
        platform.system(): platform.machine(),
        platform.python_implementation(): platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "redis-server": server.stdout.split("v=")[1].split()[0],
    }
