"""Flower's settings: nothing can be changed through it, its memory is bounded (4 kB a task), tasks name their order."""

from ast import literal_eval
from contextlib import suppress
from typing import Any

max_tasks = 10_000
max_workers = 500
read_only = True
purge_offline_workers = 300
natural_time = False
tasks_columns = "name,uuid,args,state,received,runtime"

#: What the arguments of our tasks are, by their place.
_FORMS = {
    "tasks.notify": "{0}  message {2}  {3}",
    "tasks.alert": "{0}  message {2}",
    "tasks.fetch_documents": "{0}",
}


def format_task(task: Any) -> Any:
    """A task with its arguments as a person reads them, the order first; one that somebody sent by hand stays so."""
    with suppress(ValueError, SyntaxError, LookupError):
        if task.name == "tasks.poll":
            task.args = _poll(literal_eval(task.args), literal_eval(task.result or "None"))
        elif task.name in _FORMS:
            task.args = _FORMS[task.name].format(*literal_eval(task.args))
        elif task.name == "tasks.submit":
            task.args = "  ".join(map(str, literal_eval(task.kwargs).values()))
    return task


def _poll(args: tuple[str, int, str], attempt: int | None) -> str:
    """Which attempt it was is what it returned: the number of its message grows faster, as not every one asks."""
    order_id, _, account = args
    return "  ".join([order_id, *([] if attempt is None else [f"attempt {attempt}"]), account])
