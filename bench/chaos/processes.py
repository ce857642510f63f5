"""The processes of a run: starting them, injecting faults, replacing those that ended."""

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from bench.chaos.faults import PAIR, FaultKind, PlannedFault
from bench.chaos.history import InjectedFault, ProcessExit
from willcall.devtools.local_deployment import ChildProcess, LocalDeployment
from willcall.simulator.launch import SimulatorProcess
from willcall.simulator.script import Script

#: Threads per worker.
CONCURRENCY = 16
#: Exit codes of a process that was asked to stop.
_STOPPED_CODES = {0, -signal.SIGTERM}
#: Seconds that a worker may take to stop: the longest exchange, and the rest of an outage of Redis.
SHUTDOWN_TIMEOUT = 25.0

#: The number of processes of each role.
ROLES: Mapping[str, int] = {"worker": PAIR, "beat": PAIR, "api": 1}
#: Roles that listen on a port: the next process starts once the one before has ended.
_SINGLE = {"api"}


class ChaosDeployment(LocalDeployment):
    """A deployment whose simulator keeps its ledger in a file."""

    def __init__(
        self, folder: Path, script: Script, accounts: Mapping[str, Mapping[str, Any]], **settings: Any
    ) -> None:
        super().__init__(folder, script, accounts, **settings)
        self.ledger = folder / "ledger.jsonl"
        self._simulator = SimulatorProcess(script, ledger=self.ledger)


@dataclass(slots=True)
class ManagedProcess:
    """A role and the process that has it now."""

    role: str
    number: int
    process: ChildProcess

    @property
    def name(self) -> str:
        number = f" {self.number + 1}" if ROLES[self.role] > 1 else ""
        return f"{self.role}{number} (pid {self.process.pid})"


class ProcessGroup:
    """Two workers, two beats, an API and Redis. One thread does everything, and no call blocks for long."""

    def __init__(self, deployment: LocalDeployment) -> None:
        self.faults: list[InjectedFault] = []
        self.exits: list[ProcessExit] = []
        self._deployment = deployment
        self._processes = {
            (role, number): self._start(role, number) for role, count in ROLES.items() for number in range(count)
        }
        self._stopping: list[tuple[ManagedProcess, float]] = []
        self._active: dict[PlannedFault, tuple[float, str, Callable[[], object]]] = {}

    def begin(self, fault: PlannedFault) -> None:
        start = time.time()
        target = "Redis"
        end_fault: Callable[[], object] = _nothing
        match fault.kind:
            case FaultKind.WORKER_KILL:
                target = self._replace("worker", fault.target)
            case FaultKind.BEAT_KILL:
                target = self._replace("beat", fault.target)
            case FaultKind.API_KILL:
                target = self._replace("api", 0)
            case FaultKind.WORKER_TERM:
                target = self._restart("worker", fault.target)
            case FaultKind.API_TERM:
                target = self._restart("api", 0)
            case FaultKind.WORKER_FREEZE:
                managed = self._processes["worker", fault.target]
                target, end_fault = managed.name, _freeze(managed.process.pid)
            case _:
                end_fault = self._fault_redis(fault.kind)
        self._active[fault] = (start, target, end_fault)

    def end(self, fault: PlannedFault) -> None:
        """End a fault and record it."""
        start, target, end_fault = self._active.pop(fault)
        end_fault()
        self.faults.append(InjectedFault(fault.kind, target, start, time.time()))

    def end_all(self) -> None:
        for fault in list(self._active):
            self.end(fault)

    def supervise(self) -> None:
        """Replace processes that ended, and kill those that do not stop in time."""
        for key, managed in list(self._processes.items()):
            code = managed.process.poll()
            if code is not None:
                self.exits.append(ProcessExit(managed.name, time.time(), code, self._last_log_line(managed)))
                self._deployment.kill(managed.process)
                self._processes[key] = self._start(*key)
        for managed, since in list(self._stopping):
            late = time.time() - since > SHUTDOWN_TIMEOUT
            if late or managed.process.poll() is not None:
                self._deployment.kill(managed.process)
                self._stopping.remove((managed, since))
                if managed.role in _SINGLE:
                    self._processes[managed.role, managed.number] = self._start(managed.role, managed.number)
            code = managed.process.poll()
            if code is not None and code not in _STOPPED_CODES:
                words = f"did not stop within {SHUTDOWN_TIMEOUT:.0f} s" if late else self._last_log_line(managed)
                self.exits.append(ProcessExit(f"{managed.name}, while stopping,", time.time(), code, words))

    def stop(self, role: str) -> None:
        """Ask all processes of a role to stop."""
        for managed in [managed for managed in self._processes.values() if managed.role == role]:
            managed.process.terminate()
            del self._processes[managed.role, managed.number]

    def kill_all(self) -> None:
        for managed in [*self._processes.values(), *(managed for managed, _ in self._stopping)]:
            self._deployment.kill(managed.process)
        self._processes.clear()
        self._stopping.clear()

    def _start(self, role: str, number: int) -> ManagedProcess:
        match role:
            case "worker":
                process = self._deployment.start("worker", "--concurrency", str(CONCURRENCY))
            case "api":
                process = self._deployment.start_api()
            case _:
                process = self._deployment.start(role)
        return ManagedProcess(role, number, process)

    def _replace(self, role: str, number: int) -> str:
        """Kill a process and start another one."""
        managed = self._processes.get((role, number))
        if managed is None:
            return "none: it is stopping"
        self._deployment.kill(managed.process)
        self._processes[role, number] = self._start(role, number)
        return managed.name

    def _restart(self, role: str, number: int) -> str:
        """Ask a process to stop and start another one, at once or when the port is free."""
        managed = self._processes.pop((role, number), None)
        if managed is None:
            return "none: it is stopping"
        managed.process.terminate()
        self._stopping.append((managed, time.time()))
        if role not in _SINGLE:
            self._processes[role, number] = self._start(role, number)
        return managed.name

    def _last_log_line(self, managed: ManagedProcess) -> str:
        return last_log_line(self._deployment.folder / f"{managed.role}.log")

    def _fault_redis(self, kind: FaultKind) -> Callable[[], object]:
        """Inject a fault into Redis; return what ends it."""
        redis = self._deployment.redis
        match kind:
            case FaultKind.REDIS_KILL:
                redis.kill()
                return redis.start
            case FaultKind.REDIS_FREEZE:
                return _freeze(redis.pid)
            case FaultKind.REDIS_READONLY:
                # A replica without a master, like a former master during a failover: it responds, but rejects writes.
                self._send_redis("REPLICAOF", "127.0.0.1", "1")
                return partial(self._send_redis, "REPLICAOF", "NO", "ONE")
            case FaultKind.REDIS_FULL:
                self._send_redis("CONFIG", "SET", "maxmemory", "1")
                return partial(self._send_redis, "CONFIG", "SET", "maxmemory", "0")
        self._cut_connections()
        return _nothing

    def _send_redis(self, *command: str) -> None:
        with Redis.from_url(self._deployment.redis.url, socket_timeout=5.0) as redis:
            redis.execute_command(*command)

    def _cut_connections(self) -> None:
        with Redis.from_url(self._deployment.redis.url, socket_timeout=1.0) as redis:
            try:
                for kind in ("normal", "pubsub"):
                    redis.execute_command("CLIENT KILL", "TYPE", kind)
            except RedisError:  # unavailable: its connections are closed anyway
                return


def last_log_line(log: Path) -> str:
    """Return the latest critical line of a log, or else the last line."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-400:]
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("level") == "critical":
            error = (entry.get("exception") or "").strip().splitlines()
            return f"{entry.get('event')} {error[-1] if error else ''}".strip()
    return lines[-1] if lines else ""


def _freeze(pid: int) -> Callable[[], object]:
    os.kill(pid, signal.SIGSTOP)
    return lambda: _resume(pid)


def _resume(pid: int) -> None:
    """Resume a process, which may have been killed meanwhile."""
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def _nothing() -> None:
    """End a fault that takes no time."""
