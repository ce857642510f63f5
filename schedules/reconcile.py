"""Poll expired orders once more, and orders whose status differs from the provider's list."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import structlog

from schedules.run import BATCH, Run
from willcall.http.messages import Address, Request, Response
from willcall.orders.hints import FALLBACK_WAIT, hint_seconds
from willcall.orders.model import Order, Status, can_become
from willcall.orders.outcomes import Cancelled, Declined, Issued, Outcome, Throttled
from willcall.providers.base import Account, ListedOrder, OrderLister
from willcall.providers.reading import retry_after, status_outcome
from willcall.stores.bookings import BookingKind
from willcall.stores.schedule import ExpediteOutcome, Requester
from willcall.usecases.account_reports import report_throttle
from willcall.usecases.authorize import Authorization, RetrySoon, authorize
from willcall.usecases.commit import late_check_at
from willcall.usecases.context import Context
from willcall.usecases.orders import expedite_poll
from willcall.usecases.tokens import NoToken, take_token

log = structlog.get_logger(__name__)

#: Seconds that a list looks back.
LOOK_BACK = 86_400.0
#: Seconds for which a list waits for its token. Afterwards its slot stays booked for the next run.
TOKEN_PATIENCE = 2.0

#: Pages of an account's list that one run reads.
MOST_PAGES = 20

_MEANS: dict[type[Outcome], Status] = {
    Issued: Status.FULFILLED,
    Declined: Status.FAILED,
    Cancelled: Status.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of a list. After the `last` one nothing more may be requested, whatever it links to."""

    request: Request = field(repr=False)
    response: Response = field(repr=False)
    last: bool


def reconcile(run: Run) -> dict[str, int]:
    """Poll expired orders whose late check is due, and orders whose status differs in the provider's list.

    A list alone never changes an order: orders that differ are polled like any other.
    """
    checked = _check_expired(run)
    differing = 0
    for key in run.rotate(run.context.accounts):
        account = run.context.accounts[key]
        differing += run.try_item(key, partial(_compare_list, run, account), account=key, back_off=False)
    return {"late_checks": checked, "differing": differing}


def _check_expired(run: Run) -> int:
    """Poll expired orders whose late check is due. Returns how many."""
    checked = 0
    now = run.context.stores.accounts.now()
    for order_id in run.context.stores.schedule.late_checks(now, BATCH):
        if not run.may_continue():
            break
        checked += run.try_item(order_id, partial(_check, run.context, order_id, now), order=order_id)
    return checked


def _check(context: Context, order_id: str, now: float) -> bool:
    schedule = context.stores.schedule
    # Scheduled again first, so that an order that fails goes to the end of the queue.
    schedule.schedule_late_check(order_id, now + context.settings.sweeps.late_every)
    order = context.stores.orders.get(order_id)
    schedule.schedule_late_check(order_id, late_check_at(context, order, now) if order else None)
    return bool(order and _poll(context, order))


def _compare_list(run: Run, account: Account) -> int:
    """Poll the orders whose status differs in the provider's list, if it has one. Returns how many."""
    listing = account.adapter.listing
    if listing is None:
        return 0
    differing = 0
    for page in _pages(run, account, listing):
        for entry in listing.read_list(page):
            if not run.may_continue():
                return differing
            differing += run.try_item(
                f"{account.key} {entry.reference}",
                partial(_poll_if_different, run.context, account, entry),
                account=account.key,
            )
    return differing


def _pages(run: Run, account: Account, listing: OrderLister) -> Iterator[Response]:
    """Iterate over the pages of an account's list, at most `MOST_PAGES`, as long as the provider allows it.

    Each page takes a token. The last one without a token leaves its slot booked for the next run.
    """
    since = run.context.stores.accounts.now() - LOOK_BACK
    if listing.list_request(account.credentials, None, since) is None:
        return
    if run.context.stores.accounts.is_list_postponed(account.key):
        return
    seen: set[Address] = set()
    request: Request | None = None
    while run.may_continue():
        page = _read_page(run.context, account, listing, since, request)
        if page is None:
            return
        yield page.response
        seen.add(page.request.address)
        request = listing.next_page(page.request, page.response)
        if request is None or page.last:
            return
        if not account.is_own_url(request.url) or request.address in seen or len(seen) >= MOST_PAGES:
            log.warning("list read in part", account=account.key, pages=len(seen))
            return


def _poll_if_different(context: Context, account: Account, entry: ListedOrder) -> bool:
    """Poll the orders of a list entry whose status differs. Returns whether one was sent."""
    orders = context.stores.orders
    means = _MEANS.get(type(entry.outcome))
    found = orders.get_many(orders.find_by_reference(account.key, entry.reference)) if means else []
    differing = [order for order in found if order and means and can_become(order.status, means)]
    polled = [_poll(context, order) for order in differing]
    return any(polled)


def _read_page(
    context: Context, account: Account, listing: OrderLister, since: float, following: Request | None
) -> _Page | None:
    """Read a following page, or else the first one. Returns `None` if there is no response."""
    token = take_token(context, account, BookingKind.LIST, "reconcile", TOKEN_PATIENCE)
    if isinstance(token, NoToken):
        return None
    authorization = authorize(context, account, token.claimed)
    if isinstance(authorization, RetrySoon):
        return None
    if not isinstance(authorization, Authorization):
        _give_up(context, account, authorization)
        return None
    request = following or listing.list_request(account.credentials, authorization.token, since)
    if request is None or context.throttles.blocks(account.bucket, token.claimed):
        return None
    response = context.exchange(account, request)
    if not isinstance(response, Response):
        _give_up(context, account, response)
        return None
    waits = _postpone(context, account, retry_after(response))
    outcome = status_outcome(response)
    _report(context, account, outcome)
    return _Page(request, response, last=waits or outcome is not None)


def _give_up(context: Context, account: Account, outcome: Outcome) -> None:
    _postpone(context, account, outcome.retry_after)
    _report(context, account, outcome)
    log.warning("list unavailable", account=account.key)


def _postpone(context: Context, account: Account, hint: float | None) -> bool:
    """Postpone the next list of an account as long as the provider asked. Returns whether it did."""
    wait = hint_seconds(hint, fallback=FALLBACK_WAIT)
    if wait:
        context.stores.accounts.postpone_list(account.key, wait)
    return bool(wait)


def _report(context: Context, account: Account, outcome: Outcome | None) -> None:
    """Report a throttle. A gateway that rejects only the list must not stop the account."""
    if isinstance(outcome, Throttled) and not outcome.by_gateway:
        report_throttle(context, account, outcome.retry_after, context.stores.accounts.now(), why=outcome.detail)


def _poll(context: Context, order: Order) -> bool:
    account = context.accounts.get(order.account_key)
    if account is None:
        return False
    return expedite_poll(context, account, order.id, Requester.SWEEP).outcome is ExpediteOutcome.SENT
