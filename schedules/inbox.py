"""Orders get what came ahead of them, where a process died between submitting and attaching."""

from functools import partial

from schedules.run import Run
from willcall.stores.inbox import place_of
from willcall.usecases.apply_pushes import apply_inbox_if_submitted
from willcall.usecases.context import Context


def inbox(run: Run) -> dict[str, int]:
    """Attach kept pushes whose order is there. Returns how many."""
    places = run.rotate(run.context.stores.inbox.places())
    return {"attached": sum(run.try_item(place, partial(_attach, run.context, place)) for place in places)}


def _attach(context: Context, place: str) -> int:
    return apply_inbox_if_submitted(context, *place_of(place))
