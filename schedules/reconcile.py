"""Poll expired orders once more, and orders whose status differs from the provider's list."""

from collections.abc import Iterator
from functools import partial

import structlog

from schedules.run import BATCH, Run
from willcall.http.messages import Response
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
#: Most pages of a list that a run reads.
MAX_PAGES = 20

_MEANS: dict[type[Outcome], Status] = {
    Issued: Status.FULFILLED,
    Declined: Status.FAILED,
    Cancelled: Status.CANCELLED,
}


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
    context, stores = run.context, run.context.stores
    since = stores.accounts.now() - LOOK_BACK
    listing = account.adapter.listing
    if listing is None or listing.list_request(account.credentials, None, since) is None:
        return 0
    if stores.accounts.is_list_postponed(account.key):
        return 0
    differing = 0
    for response in _pages(context, account, listing, since):
        for entry in listing.read_list(response):
            if not run.may_continue():
                return differing
            differing += run.try_item(
                f"{account.key} {entry.reference}",
                partial(_poll_if_different, context, account, entry),
                account=account.key,
            )
    return differing


def _pages(context: Context, account: Account, listing: OrderLister, since: float) -> Iterator[Response]:
    """Yield the pages of the list, as far as tokens are free; the next run begins anew."""
    page: Response | None = None
    for _ in range(MAX_PAGES):
        token = take_token(context, account, BookingKind.LIST, "reconcile", TOKEN_PATIENCE)
        if isinstance(token, NoToken):
            return
        response = _list(context, account, listing, since, claimed=token.claimed, after=page)
        if isinstance(response, RetrySoon):
            return
        _note_hint(context, account, response)
        if not isinstance(response, Response):
            log.warning("list unavailable", account=account.key)
            return
        yield response
        page = response
        if status_outcome(page) is not None or listing.next_page(account.credentials, None, page) is None:
            return


def _note_hint(context: Context, account: Account, response: Response | Outcome) -> None:
    """Come back to the list only when its response allows it."""
    stores = context.stores
    outcome = status_outcome(response) if isinstance(response, Response) else response
    hint = retry_after(response) if isinstance(response, Response) else response.retry_after
    wait = hint_seconds(hint, fallback=FALLBACK_WAIT)
    if wait:
        stores.accounts.postpone_list(account.key, wait)
    # A gateway that rejects only the list must not stop the account.
    if isinstance(outcome, Throttled) and not outcome.by_gateway:
        report_throttle(context, account, outcome.retry_after, stores.accounts.now(), why=outcome.detail)


def _poll_if_different(context: Context, account: Account, entry: ListedOrder) -> bool:
    """Poll the orders of a list entry whose status differs. Returns whether one was sent."""
    orders = context.stores.orders
    means = _MEANS.get(type(entry.outcome))
    found = orders.get_many(orders.find_by_reference(account.key, entry.reference)) if means else []
    differing = [order for order in found if order and means and can_become(order.status, means)]
    polled = [_poll(context, order) for order in differing]
    return any(polled)


def _list(
    context: Context, account: Account, listing: OrderLister, since: float, *, claimed: float, after: Response | None
) -> Response | Outcome | RetrySoon:
    """Return the first page of the provider's list, or the one after a page, or why there is none."""
    authorization = authorize(context, account, claimed)
    if not isinstance(authorization, Authorization):
        return authorization
    credentials, token = account.credentials, authorization.token
    if after is None:
        request = listing.list_request(credentials, token, since)
    else:
        request = listing.next_page(credentials, token, after)
    if request is None or not request.url.startswith(f"{credentials.base_url}/"):
        return RetrySoon()
    return RetrySoon() if context.throttles.blocks(account.bucket, claimed) else context.exchange(account, request)


def _poll(context: Context, order: Order) -> bool:
    account = context.accounts.get(order.account_key)
    if account is None:
        return False
    return expedite_poll(context, account, order.id, Requester.SWEEP).outcome is ExpediteOutcome.SENT
