"""Have a worker run a sweep."""

from willcall.orders.errors import UnknownSweepError
from willcall.orders.history import Action, Actor
from willcall.usecases.context import Context
from willcall.usecases.history import record_action


def start_sweep(context: Context, name: str, actor: Actor) -> None:
    """Have a worker run a sweep now, unless one is running already.

    Raises UnknownSweepError, BrokerUnavailableError.
    """
    known = sorted(context.settings.sweeps.intervals)
    if name not in known:
        raise UnknownSweepError(name, known)
    context.sender.start_sweep(name)
    record_action(context, Action.SWEPT, actor, name)
