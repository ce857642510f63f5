"""A Redis master with a replica and Sentinels that watch them, all of the tests' own."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from secrets import token_urlsafe
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from willcall.devtools.embedded_redis import executable, free_port

#: Seconds that servers may take to start, and to find each other.
PATIENCE = 20.0
MASTER = "tickets"


class Failover:
    """Use as a context manager. Two servers with one password, and two Sentinels with another."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._password, self._sentinel_password = token_urlsafe(18), token_urlsafe(18)
        self._servers = [free_port(), free_port()]
        self._sentinels = [free_port(), free_port()]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """The first Sentinel that it names does not run, as one of several may not."""
        addresses = ",".join(f"127.0.0.1:{port}" for port in (free_port(), *self._sentinels))
        return f"sentinel://:{self._password}@{addresses}/{MASTER}/0?sentinel_password={self._sentinel_password}"

    def __enter__(self) -> Self:
        master, replica = self._servers
        self._start_server(master)
        self._start_server(replica, f"replicaof 127.0.0.1 {master}")
        self._wait_until(lambda: self._client(master).info("replication")["connected_slaves"] == 1)
        for port in self._sentinels:
            self._start_sentinel(port, master)
        self._wait_until(lambda: all(self._sees_everything(port) for port in self._sentinels))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    @property
    def master(self) -> int:
        """The port of the server that the Sentinels call the master."""
        return int(self._sentinel(self._sentinels[0]).sentinel_master(MASTER)["port"])

    def kill_master(self) -> None:
        """End the master as a crash would; its machine stays down."""
        process = self._processes.pop(self.master)
        process.kill()
        process.wait()

    def _start_server(self, port: int, *lines: str) -> None:
        own = ["appendonly yes", 'save ""', f"requirepass {self._password}", f"masterauth {self._password}"]
        self._start(port, "server", *own, "repl-diskless-sync-delay 0", *lines)

    def _start_sentinel(self, port: int, master: int) -> None:
        watch = [
            f"sentinel monitor {MASTER} 127.0.0.1 {master} 2",
            f"sentinel auth-pass {MASTER} {self._password}",
            f"sentinel down-after-milliseconds {MASTER} 1000",
            f"sentinel failover-timeout {MASTER} 5000",
            f"requirepass {self._sentinel_password}",
            f"sentinel sentinel-pass {self._sentinel_password}",
        ]
        self._start(port, "sentinel", *watch)

    def _start(self, port: int, kind: str, *lines: str) -> None:
        folder = self._folder / f"{kind}-{port}"
        folder.mkdir()
        settings = folder / "redis.conf"
        settings.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f"dir {folder}", *lines, ""]))
        options = ["--sentinel"] if kind == "sentinel" else []
        with (folder / "redis.log").open("wb") as log:
            self._processes[port] = subprocess.Popen(  # noqa: S603 - our own servers
                [executable(), str(settings), *options], stdout=log, stderr=log
            )
        password = self._sentinel_password if options else self._password
        self._wait_until(lambda: bool(Redis(port=port, password=password).ping()))

    def _client(self, port: int) -> Redis:
        return Redis(port=port, password=self._password)

    def _sentinel(self, port: int) -> Redis:
        return Redis(port=port, password=self._sentinel_password)

    def _sees_everything(self, port: int) -> bool:
        seen = self._sentinel(port).sentinel_master(MASTER)
        return bool(seen["num-slaves"] == 1 and seen["num-other-sentinels"] == 1)

    def _wait_until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if true():
                    return
            except RedisError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"the servers did not come up; see {self._folder}")
            time.sleep(0.05)
