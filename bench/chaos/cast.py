"""The processes of a run: who plays, who is hit, who takes over, who died by itself."""

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.exceptions import RedisError

from bench.chaos.history import Death, Hit
from bench.chaos.plan import PAIR, Blow, Kind
from cli.stage import Stage
from simulator.running import SimulatorProcess
from simulator.script import Script

if TYPE_CHECKING:
    import subprocess

#: Threads per worker.
CONCURRENCY = 16
#: What a process that was told to stop ends with: it did as told (None: not yet), or had not begun.
_STOPPED = {None, 0, -signal.SIGTERM}
#: Seconds that a worker which was told to stop may take: the longest exchange, and what is left of Redis' outage.
POLITE = 25.0

COMMANDS: Mapping[str, tuple[str, ...]] = {"worker": ("worker", "--concurrency", str(CONCURRENCY)), "beat": ("beat",)}


class ChaosStage(Stage):
    """A stage whose simulator keeps its ledger in a file."""

    def __init__(
        self, folder: Path, script: Script, accounts: Mapping[str, Mapping[str, Any]], **settings: Any
    ) -> None:
        """As for any stage."""
        super().__init__(folder, script, accounts, **settings)
        self.ledger = folder / "ledger.jsonl"
        self._simulator = SimulatorProcess(script, ledger=self.ledger)


@dataclass(slots=True)
class Part:
    """One of a pair: the process that plays it now."""

    role: str
    number: int
    process: "subprocess.Popen[bytes]"

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.role} {self.number + 1} (pid {self.process.pid})"


class Cast:
    """Two workers, two beats and Redis. Everything is done from one thread, and nothing waits long."""

    def __init__(self, stage: Stage) -> None:
        """Starts the processes."""
        self.hits: list[Hit] = []
        self.deaths: list[Death] = []
        self._stage = stage
        self._parts = {(role, number): self._start(role, number) for role in COMMANDS for number in range(PAIR)}
        self._leaving: list[tuple[Part, float]] = []
        self._begun: dict[Blow, tuple[float, str, Callable[[], object]]] = {}

    def begin(self, blow: Blow) -> None:
        """Strike."""
        start, redis = time.time(), self._stage.redis
        target = "Redis"
        undo: Callable[[], object] = _nothing
        match blow.kind:
            case Kind.WORKER_KILL:
                target = self._replace("worker", blow.target)
            case Kind.BEAT_KILL:
                target = self._replace("beat", blow.target)
            case Kind.WORKER_TERM:
                part = self._parts["worker", blow.target]
                target = part.name
                part.process.terminate()
                self._leaving.append((part, start))
                self._parts["worker", blow.target] = self._start("worker", blow.target)
            case Kind.WORKER_FREEZE:
                part = self._parts["worker", blow.target]
                target, undo = part.name, _freeze(part.process.pid)
            case Kind.REDIS_KILL:
                redis.kill()
                undo = redis.start
            case Kind.REDIS_FREEZE:
                undo = _freeze(redis.pid)
            case Kind.CLIENTS_KILL:
                self._cut_connections()
        self._begun[blow] = (start, target, undo)

    def end(self, blow: Blow) -> None:
        """Undo what lasted, and note the hit."""
        start, target, undo = self._begun.pop(blow)
        undo()
        self.hits.append(Hit(blow.kind, target, start, time.time()))

    def end_all(self) -> None:
        """Undo everything at once."""
        for blow in list(self._begun):
            self.end(blow)

    def supervise(self) -> None:
        """Put a new process in the place of one that ended, and kill what does not leave."""
        for key, part in self._parts.items():
            code = part.process.poll()
            if code is not None:
                self.deaths.append(Death(part.name, time.time(), code, self._last_words(part)))
                self._stage.kill(part.process)
                self._parts[key] = self._start(*key)
        for part, since in list(self._leaving):
            late = time.time() - since > POLITE
            if late or part.process.poll() is not None:
                self._stage.kill(part.process)
                self._leaving.remove((part, since))
            if part.process.returncode not in _STOPPED:
                words = f"did not stop within {POLITE:.0f} s" if late else self._last_words(part)
                self.deaths.append(
                    Death(f"{part.name}, while it stopped,", time.time(), part.process.returncode, words)
                )

    def dismiss(self, role: str) -> None:
        """Stop both of a pair."""
        for part in [part for part in self._parts.values() if part.role == role]:
            part.process.terminate()
            del self._parts[part.role, part.number]

    def kill_all(self) -> None:
        """End every worker and beat at once."""
        for part in [*self._parts.values(), *(part for part, _ in self._leaving)]:
            self._stage.kill(part.process)
        self._parts.clear()
        self._leaving.clear()

    def _start(self, role: str, number: int) -> Part:
        return Part(role, number, self._stage.start(*COMMANDS[role]))

    def _replace(self, role: str, number: int) -> str:
        part = self._parts[role, number]
        self._stage.kill(part.process)
        self._parts[role, number] = self._start(role, number)
        return part.name

    def _last_words(self, part: Part) -> str:
        return last_words(self._stage.folder / f"{part.role}.log")

    def _cut_connections(self) -> None:
        with Redis.from_url(self._stage.redis.url, socket_timeout=1.0) as redis:
            try:
                for kind in ("normal", "pubsub"):
                    redis.execute_command("CLIENT KILL", "TYPE", kind)
            except RedisError:  # away just now: its connections are gone as it is
                return


def last_words(log: Path) -> str:
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
    return lambda: _thaw(pid)


def _thaw(pid: int) -> None:
    """The process may have been killed meanwhile."""
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def _nothing() -> None:
    """A hit that is over at once."""
