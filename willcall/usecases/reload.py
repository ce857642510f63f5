"""Ask all processes to take their configuration anew, and collect what they answer with their heartbeats."""

import time
from collections.abc import Callable

from willcall.orders.history import Action, Actor, HistoryEntry
from willcall.schemas.operations import NO_ANSWER, REFUSED, TAKEN, ProcessReload
from willcall.stores.processes import RunningProcess
from willcall.stores.registry import Stores

#: Seconds to wait for all answers: each process sends a heartbeat within 5 s, and another one with its answer.
PATIENCE = 10.0
#: Seconds between two looks at the answers.
_INTERVAL = 0.1


def reload_processes(
    stores: Stores, actor: Actor, patience: float = PATIENCE, sleep: Callable[[float], None] = time.sleep
) -> list[ProcessReload]:
    """Have every process take its configuration anew. Returns the answers, those of the longest running first.

    A process that ends meanwhile is left out, and one that starts meanwhile is included. Raises StoreError.
    """
    processes = stores.processes
    stores.history.append(HistoryEntry(stores.accounts.now(), Action.RELOADED.value, actor.name))
    request = processes.request_reload(actor.name)
    deadline = time.monotonic() + patience
    while True:
        running = processes.running()
        if time.monotonic() >= deadline or all(_has_answered(process, request) for process in running):
            return [_read_answer(process, request) for process in running]
        sleep(_INTERVAL)


def _has_answered(process: RunningProcess, request: int) -> bool:
    return process.configuration is not None and process.configuration.request >= request


def _read_answer(process: RunningProcess, request: int) -> ProcessReload:
    state = process.configuration
    if state is None or not _has_answered(process, request):
        return ProcessReload(kind=process.kind, name=process.name, outcome=NO_ANSWER)
    outcome = REFUSED if state.errors else TAKEN
    return ProcessReload(
        kind=process.kind, name=process.name, outcome=outcome, errors=state.errors, restart_for=state.restart_for
    )
