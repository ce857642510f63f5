"""The processes of a run: who plays, who is hit, who takes over, who died by itself."""

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
#: What a process that was told to stop ends with: it did as told, or had not begun.
_STOPPED = {0, -signal.SIGTERM}
#: Seconds that a worker which was told to stop may take: the longest exchange, and what is left of Redis' outage.
SHUTDOWN_TIMEOUT = 25.0

#: How many of each there are.
ROLES: Mapping[str, int] = {"worker": PAIR, "beat": PAIR, "api": 1}
#: Those who cannot be there twice, as they listen on one port: the next one starts when the one before has gone.
_SINGLE = {"api"}


class ChaosDeployment(LocalDeployment):
    """A deployment whose simulator keeps its ledger in a file."""

    def __init__(
        self, folder: Path, script: Script, accounts: Mapping[str, Mapping[str, Any]], **settings: Any
    ) -> None:
        """As for any deployment."""
        super().__init__(folder, script, accounts, **settings)
        self.ledger = folder / "ledger.jsonl"
        self._simulator = SimulatorProcess(script, ledger=self.ledger)


@dataclass(slots=True)
class ManagedProcess:
    """One of the cast: the process that plays it now."""

    role: str
    number: int
    process: ChildProcess

    @property
    def name(self) -> str:
        """For people."""
        number = f" {self.number + 1}" if ROLES[self.role] > 1 else ""
        return f"{self.role}{number} (pid {self.process.pid})"


class ProcessGroup:
    """Two workers, two beats, an API and Redis. Everything is done from one thread, and nothing waits long."""

    def __init__(self, deployment: LocalDeployment) -> None:
        """Starts the processes."""
        self.faults: list[InjectedFault] = []
        self.exits: list[ProcessExit] = []
        self._stage = deployment
        self._parts = {
            (role, number): self._start(role, number) for role, count in ROLES.items() for number in range(count)
        }
        self._leaving: list[tuple[ManagedProcess, float]] = []
        self._begun: dict[PlannedFault, tuple[float, str, Callable[[], object]]] = {}

    def begin(self, blow: PlannedFault) -> None:
        """Strike."""
        start = time.time()
        target = "Redis"
        undo: Callable[[], object] = _nothing
        match blow.kind:
            case FaultKind.WORKER_KILL:
                target = self._replace("worker", blow.target)
            case FaultKind.BEAT_KILL:
                target = self._replace("beat", blow.target)
            case FaultKind.API_KILL:
                target = self._replace("api", 0)
            case FaultKind.WORKER_TERM:
                target = self._relieve("worker", blow.target)
            case FaultKind.API_TERM:
                target = self._relieve("api", 0)
            case FaultKind.WORKER_FREEZE:
                part = self._parts["worker", blow.target]
                target, undo = part.name, _freeze(part.process.pid)
            case _:
                undo = self._strike_redis(blow.kind)
        self._begun[blow] = (start, target, undo)

    def end(self, blow: PlannedFault) -> None:
        """Undo what lasted, and note the hit."""
        start, target, undo = self._begun.pop(blow)
        undo()
        self.faults.append(InjectedFault(blow.kind, target, start, time.time()))

    def end_all(self) -> None:
        """Undo everything at once."""
        for blow in list(self._begun):
            self.end(blow)

    def supervise(self) -> None:
        """Put a new process in the place of one that ended, and kill what does not leave."""
        for key, part in list(self._parts.items()):
            code = part.process.poll()
            if code is not None:
                self.exits.append(ProcessExit(part.name, time.time(), code, self._last_words(part)))
                self._stage.kill(part.process)
                self._parts[key] = self._start(*key)
        for part, since in list(self._leaving):
            late = time.time() - since > SHUTDOWN_TIMEOUT
            if late or part.process.poll() is not None:
                self._stage.kill(part.process)
                self._leaving.remove((part, since))
                if part.role in _SINGLE:
                    self._parts[part.role, part.number] = self._start(part.role, part.number)
            code = part.process.poll()
            if code is not None and code not in _STOPPED:
                words = f"did not stop within {SHUTDOWN_TIMEOUT:.0f} s" if late else self._last_words(part)
                self.exits.append(ProcessExit(f"{part.name}, while it stopped,", time.time(), code, words))

    def dismiss(self, role: str) -> None:
        """Stop all of a role."""
        for part in [part for part in self._parts.values() if part.role == role]:
            part.process.terminate()
            del self._parts[part.role, part.number]

    def kill_all(self) -> None:
        """End every worker, beat and API at once."""
        for part in [*self._parts.values(), *(part for part, _ in self._leaving)]:
            self._stage.kill(part.process)
        self._parts.clear()
        self._leaving.clear()

    def _start(self, role: str, number: int) -> ManagedProcess:
        match role:
            case "worker":
                process = self._stage.start("worker", "--concurrency", str(CONCURRENCY))
            case "api":
                process = self._stage.start_api()
            case _:
                process = self._stage.start(role)
        return ManagedProcess(role, number, process)

    def _replace(self, role: str, number: int) -> str:
        """Kill one; another one takes over at once."""
        part = self._parts.get((role, number))
        if part is None:
            return "nobody: it is leaving"
        self._stage.kill(part.process)
        self._parts[role, number] = self._start(role, number)
        return part.name

    def _relieve(self, role: str, number: int) -> str:
        """Tell one to stop; another one takes over at once, or as soon as there is room for it."""
        part = self._parts.pop((role, number), None)
        if part is None:
            return "nobody: it is leaving"
        part.process.terminate()
        self._leaving.append((part, time.time()))
        if role not in _SINGLE:
            self._parts[role, number] = self._start(role, number)
        return part.name

    def _last_words(self, part: ManagedProcess) -> str:
        return last_log_line(self._stage.folder / f"{part.role}.log")

    def _strike_redis(self, kind: FaultKind) -> Callable[[], object]:
        """Hit Redis; what undoes it."""
        redis = self._stage.redis
        match kind:
            case FaultKind.REDIS_KILL:
                redis.kill()
                return redis.start
            case FaultKind.REDIS_FREEZE:
                return _freeze(redis.pid)
            case FaultKind.REDIS_READONLY:
                # A replica without a master, as a former master is during a failover: it answers and refuses to write.
                self._tell_redis("REPLICAOF", "127.0.0.1", "1")
                return partial(self._tell_redis, "REPLICAOF", "NO", "ONE")
            case FaultKind.REDIS_FULL:
                self._tell_redis("CONFIG", "SET", "maxmemory", "1")
                return partial(self._tell_redis, "CONFIG", "SET", "maxmemory", "0")
        self._cut_connections()
        return _nothing

    def _tell_redis(self, *command: str) -> None:
        with Redis.from_url(self._stage.redis.url, socket_timeout=5.0) as redis:
            redis.execute_command(*command)

    def _cut_connections(self) -> None:
        with Redis.from_url(self._stage.redis.url, socket_timeout=1.0) as redis:
            try:
                for kind in ("normal", "pubsub"):
                    redis.execute_command("CLIENT KILL", "TYPE", kind)
            except RedisError:  # away just now: its connections are gone as it is
                return


def last_log_line(log: Path) -> str:
    """The latest error or critical line of a log."""
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
    """The process may have been killed meanwhile."""
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def _nothing() -> None:
    """A hit that is over at once."""
