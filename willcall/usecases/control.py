"""What a person, a backend or a provider's callback can ask for: poll now, cancel, redeliver, pause, resume."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from willcall.config import find_account
from willcall.orders.errors import ClosedOrderError, NothingToDeliverError, UnknownOrderError
from willcall.orders.model import Order, Status
from willcall.orders.states import OPEN, count_open
from willcall.providers.base import Account
from willcall.stores.accounts import PauseResult
from willcall.stores.deliveries import DeliveryMessage
from willcall.stores.orders import ExpediteOutcome, ExpediteResult, ProbeResult, Requester
from willcall.usecases.alerts import account_alert, send_alert
from willcall.usecases.context import Context
from willcall.usecases.notify import send_delivery
from willcall.usecases.settle import settle_cancelled

log = structlog.get_logger(__name__)

#: How many orders one call to the store lets go.
BATCH = 500
#: What promises a request, which an account that is stopped does not keep: the order's message will find it so.
_PROMISES = frozenset({ExpediteOutcome.SENT, ExpediteOutcome.SOON})


@dataclass(frozen=True, slots=True)
class ResumeResult:
    """How many orders left of those that waited for an account.

    `tried`: it was refused or down, and is so until an answer says otherwise. One order asks; the rest follow then.
    `open_orders`: how many orders wait for tickets, where it is `tried`.
    `until`: when the provider's hint ends (epoch seconds), which stands; None where it does not ask us to wait.
    """

    released: int
    tried: bool
    open_orders: int = 0
    until: float | None = None


def get_order(context: Context, order_id: str) -> Order:
    """One order. Raises UnknownOrderError."""
    order = context.stores.orders.get(order_id)
    if order is None:
        raise UnknownOrderError(order_id)
    return order


def poll_now(context: Context, order_id: str, *, now: bool = False) -> ExpediteResult:
    """Ask about an order as soon as the provider's hints, the minimum and the rate allow.

    With `now`, in spite of a hint of the provider's. Raises UnknownOrderError; ClosedOrderError where no answer could
    change the order any more.
    """
    order = get_order(context, order_id)
    account = find_account(context.accounts, order.provider, order.account)
    expedited = expedite_poll(context, account, order_id, Requester.OVERRIDE if now else Requester.PERSON)
    if expedited.outcome is ExpediteOutcome.CLOSED:
        raise ClosedOrderError(f"order {order_id} is {order.status}; no answer could change that")
    if expedited.outcome in _PROMISES and context.stores.accounts.state(account.key, account.rate).health.stops:
        return replace(expedited, outcome=ExpediteOutcome.HELD, at=None)
    return expedited


def expedite_poll(context: Context, account: Account, order_id: str, requester: Requester) -> ExpediteResult:
    """Bring an order's next attempt forward as far as its `requester` may; never puts it off."""
    minimum = account.polling.minimum
    expedited = context.stores.orders.hurry(order_id, account.key, minimum, account.rate, requester)
    context.send_polls(account.key, [expedited.message] if expedited.message else [])
    return expedited


def cancel_order(context: Context, order_id: str) -> bool:
    """Stop asking; the order becomes `cancelled`. False where it was cancelled already.

    Raises UnknownOrderError; ClosedOrderError where the order is final otherwise.
    """
    while True:
        order = get_order(context, order_id)
        if order.status is Status.CANCELLED:
            return False
        if order.status not in OPEN:
            raise ClosedOrderError(f"order {order_id} is {order.status} and can no longer be cancelled")
        if settle_cancelled(context, order, context.stores.accounts.now()):
            return True


def redeliver(context: Context, order_id: str) -> DeliveryMessage:
    """Tell the backend of an order's latest event again, from now on by the whole schedule; what was sent.

    Raises UnknownOrderError; NothingToDeliverError where there is nobody to tell, or nothing to tell of.
    """
    order = get_order(context, order_id)
    if order.callback_url is None:
        raise NothingToDeliverError(f"order {order_id} has no callback_url")
    try:
        notice = context.stores.deliveries.redeliver(order_id)
    except LookupError:
        raise NothingToDeliverError(
            f"the latest event of order {order_id} was delivered, and is older than events are kept"
        ) from None
    if notice is None:
        raise NothingToDeliverError(f"the status of order {order_id} has not changed yet, so there is no event")
    send_delivery(context, notice)
    return notice


def pause(context: Context, account: Account, seconds: float | None) -> PauseResult:
    """Send nothing to an account, for `seconds` or until it is resumed; a longer pause stays."""
    until = None if seconds is None else context.stores.accounts.now() + seconds
    paused = context.stores.accounts.pause(account.key, until)
    log.info("paused", account=account.key, seconds=seconds, longer=paused.longer)
    return paused


def resume(context: Context, account: Account, *, now: bool = False) -> ResumeResult:
    """End a pause, and let the account's orders go on; or try one that is refused or down.

    The provider's hint stands until its time; with `now` it ends too, for every order that met it.
    """
    alert = account_alert(context, account.key)
    resumption = context.stores.accounts.resume(account.key, alert, now=now)
    if now:
        context.stores.oauth.end_wait(account.key)
        context.stores.accounts.end_list_wait(account.key)
    if resumption.told:
        send_alert(context, alert)
    allowed = context.stores.accounts.wants_release(account.key)
    # Before the probe is chosen, which may be one of these.
    released = release_throttled(context, account) if now else 0
    tried, waiting, probe = allowed >= 0, 0, ProbeResult()
    if tried:
        probe = _probe(context, account)
        released += int(probe.message is not None)
        waiting = count_open(context.stores.listing.counts(account.key))
    else:
        released += release_held(context, account.key)
    until = resumption.until or probe.hint_until or _token_wait(context, account)
    log.info("resumed", account=account.key, released=released, throttle_ended=now)
    return ResumeResult(released, tried, waiting, until)


def _token_wait(context: Context, account: Account) -> float | None:
    """Return until when the token endpoint asked to be left alone, where there is no token to go on with."""
    oauth = context.stores.oauth
    wait = oauth.waiting(account.key)
    return context.stores.accounts.now() + wait if wait and oauth.get(account.key) is None else None


def _always() -> bool:
    return True


def release_held(context: Context, account_key: str, may_continue: Callable[[], bool] = _always) -> int:
    """Let all orders go on that wait for their account, a batch while `may_continue`. Returns how many."""
    account = context.accounts.get(account_key)
    released = 0
    while account and may_continue():
        messages = context.stores.orders.release(account_key, BATCH, account.polling.minimum)
        if not messages:
            break
        context.send_polls(account_key, messages)
        released += len(messages)
    return released


def send_probe(context: Context, account_key: str) -> int:
    """Have an account that is refused or down asked about one order, if that is due. Returns how many orders go on."""
    account = context.accounts.get(account_key)
    return int(account is not None and _probe(context, account).message is not None)


def _probe(context: Context, account: Account) -> ProbeResult:
    probe = context.stores.orders.probe(account.key, account.polling.minimum)
    context.send_polls(account.key, [probe.message] if probe.message else [])
    return probe


def release_throttled(context: Context, account: Account, may_continue: Callable[[], bool] = _always) -> int:
    """Bring forward the orders that met a throttle which a person has ended, a batch while `may_continue`; how many."""
    released, more = 0, True
    while more and may_continue():
        more, wakes = context.stores.orders.unthrottle(account.key, BATCH, account.polling.minimum)
        context.send_expedited(account.key, wakes)
        released += len(wakes)
    return released
