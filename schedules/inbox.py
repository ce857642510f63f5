"""Apply pushes that arrived before their order, if a process died right after submitting it."""

from functools import partial

from schedules.run import Run
from willcall.stores.inbox import place_of
from willcall.usecases.apply_pushes import apply_inbox_if_submitted
from willcall.usecases.context import Context


def inbox(run: Run) -> dict[str, int]:
    """Apply stored pushes whose order was submitted. Returns how many."""
    places = run.rotate(run.context.stores.inbox.places())
    return {"applied": sum(run.try_item(place, partial(_apply, run.context, place)) for place in places)}


def _apply(context: Context, place: str) -> int:
    return apply_inbox_if_submitted(context, *place_of(place))
