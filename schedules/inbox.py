"""Orders get what came ahead of them, where a process died between submitting and attaching."""

from willcall.usecases.attach import attach_waiting
from willcall.usecases.context import Context


def inbox(context: Context) -> dict[str, int]:
    """Attach kept pushes whose order is there. Returns how many."""
    return {"attached": attach_waiting(context)}
