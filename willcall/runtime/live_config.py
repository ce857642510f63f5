"""The configuration of a running process, which a reload replaces as a whole or not at all."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic, time
from typing import NamedTuple, Self

import structlog

from willcall.config import Config, ConfigError
from willcall.config.changes import config_digest, describe_changes, keep_until_restart
from willcall.orders.errors import FieldError
from willcall.stores.connection import StoreError
from willcall.stores.processes import ConfigurationState, ReloadRequest

log = structlog.get_logger(__name__)

#: Makes a prepared change. It only assigns, so it can't fail.
Commit = Callable[[], None]
#: Prepares what depends on the configuration, and raises ConfigError to refuse it.
Prepare = Callable[[Config], Commit]
#: Is called with the configuration before, once the process runs with the new one. May raise StoreError.
FollowUp = Callable[[Config], None]

#: Seconds that the end of a process waits for a reload that is under way.
_END_TIMEOUT = 2.0


class LiveConfig:
    """A context manager within which the process takes its configuration anew whenever it is asked to.

    A reload has three steps. All parts of the process prepare the change; if one refuses it, nothing changes. Then all
    of them make it, each by an assignment. What takes time follows: see `after`.
    """

    def __init__(self, load: Callable[[], Config]) -> None:
        """Load the configuration; each reload calls `load` too. Raises ConfigError."""
        self._load = load
        self._loaded = monotonic()
        self.config = load()
        #: Called when a reload has ended, whatever its result.
        self.on_reloaded: Callable[[], None] = lambda: None
        self._state = ConfigurationState(time())
        self._prepare: list[Prepare] = []
        self._after: list[FollowUp] = []
        # A signal handler may interrupt a call and use the queue again, which SimpleQueue allows. `None` is the end.
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._heard = 0
        #: The last digest, and what it is of: the configuration and the key.
        self._digested: tuple[Config, str, str] = (self.config, "", "")
        self._thread = Thread(target=self._run, name="reload", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.put(None)
        self._thread.join(_END_TIMEOUT)

    def subscribe(self, prepare: Prepare) -> None:
        """Have a part of the process prepare each change."""
        self._prepare.append(prepare)

    def after(self, follow_up: FollowUp) -> None:
        """Have something done after each change."""
        self._after.append(follow_up)

    def request(self) -> None:
        """Reload soon. Never blocks; a signal handler may call it."""
        self._requests.put(_Request(0, monotonic(), "signal"))

    def hear(self, request: ReloadRequest | None) -> None:
        """Reload soon if a request for all processes is new, unless this process has read its file since then."""
        if request is not None and request.id != self._heard:
            self._heard = request.id
            self._requests.put(_Request(request.id, monotonic() - request.age, request.by))

    def state(self, key: str) -> ConfigurationState:
        """Return what heartbeats show. `key` is that of the digest; without one there is none."""
        config = self.config
        if self._digested[0] is not config or self._digested[1] != key:
            self._digested = (config, key, config_digest(config, key) if key else "")
        return replace(self._state, digest=self._digested[2])

    def reload(self, by: str, request: int = 0) -> None:
        """Reload now. `by`: where that was requested. `request`: the id of the request that this answers."""
        self._loaded, old = monotonic(), self.config
        try:
            state = self._take(by)
        except ConfigError as error:
            state = self._refusal(by, [str(each) for each in error.errors])
        except Exception as error:
            log.exception("reload failed")
            state = self._refusal(by, [f"unexpected error: {type(error).__name__}"])
        self._answer(state, request)
        if self.config is not old:
            self._follow_up(old)

    def _take(self, by: str) -> ConfigurationState:
        """Replace the configuration. Raises ConfigError."""
        old, loaded = self.config, self._load()
        _check_complete(old, loaded)
        new, restart_for = keep_until_restart(old, loaded)
        if new != old:
            for commit in [prepare(new) for prepare in self._prepare]:
                commit()
            self.config = new
        if new.warnings:
            log.warning("configuration warnings", warnings=[str(warning) for warning in new.warnings])
        log.info("configuration reloaded", by=by, restart_for=list(restart_for), **describe_changes(old, new))
        return ConfigurationState(time(), restart_for=restart_for)

    def _refusal(self, by: str, errors: Sequence[str]) -> ConfigurationState:
        log.error("configuration refused", by=by, errors=errors)
        return replace(self._state, refused_at=time(), errors=tuple(errors))

    def _answer(self, state: ConfigurationState, request: int) -> None:
        self._state = replace(state, request=request or self._state.request)
        self.on_reloaded()

    def _follow_up(self, old: Config) -> None:
        for follow_up in self._after:
            try:
                follow_up(old)
            except StoreError as error:
                log.warning("redis unavailable", error=error)
            except Exception:
                log.exception("reload failed")

    def _run(self) -> None:
        while (requests := self._wait()) is not None:
            latest = max(requests)
            if all(request.moment < self._loaded for request in requests):
                self._answer(self._state, latest.id)
            else:
                self.reload(latest.by, latest.id)

    def _wait(self) -> "list[_Request] | None":
        """Wait for requests and return them all, because one reload serves all of them; `None` at the end."""
        requests = [self._requests.get()]
        with suppress(Empty):
            while True:
                requests.append(self._requests.get_nowait())
        return None if None in requests else [request for request in requests if request]


class _Request(NamedTuple):
    """A request to reload: its id, 0 for a signal, when it was made (monotonic seconds), and where."""

    id: int
    moment: float
    by: str


def _check_complete(old: Config, new: Config) -> None:
    """Raise ConfigError for a file that is probably missing or not written completely."""
    if old.file and not new.file:
        raise ConfigError([FieldError(str(old.file), "is missing; if it was deleted on purpose, restart the process")])
    if old.accounts and not new.accounts:
        why = "has no account any more; if that is on purpose, restart the process"
        raise ConfigError([FieldError("providers", why)])
