"""Flower's settings: read-only, with bounded memory (4 kB per task), and with readable arguments of our tasks."""

from ast import literal_eval
from contextlib import suppress
from typing import Any

max_tasks = 10_000
max_workers = 500
read_only = True
purge_offline_workers = 300
natural_time = False
tasks_columns = "name,uuid,args,state,received,runtime"

#: How the positional arguments of a task are shown.
_FORMATS = {
    "tasks.notify": "{0}  message {2}  {3}",
    "tasks.alert": "{0}  message {2}",
    "tasks.fetch_documents": "{0}",
}


def format_task(task: Any) -> Any:
    """Return a task with readable arguments, the order first. Tasks with other arguments stay as they are."""
    with suppress(ValueError, SyntaxError, LookupError):
        if task.name == "tasks.poll":
            task.args = _format_poll(literal_eval(task.args), literal_eval(task.result or "None"))
        elif task.name in _FORMATS:
            task.args = _FORMATS[task.name].format(*literal_eval(task.args))
        elif task.name == "tasks.submit":
            task.args = "  ".join(map(str, literal_eval(task.kwargs).values()))
    return task


def _format_poll(args: tuple[str, int, str], attempt: int | None) -> str:
    """Show the number of the attempt, which is the task's result: not every message is an attempt."""
    order_id, _, account = args
    return "  ".join([order_id, *([] if attempt is None else [f"attempt {attempt}"]), account])
