"""Fetch the documents of an order's tickets: during the attempt, as addresses may expire soon, then in rounds.

Short-lived addresses: https://docs.funtrips.io/reference/admingetuserfulfillmentordertickets
"""

from collections.abc import Sequence
from dataclasses import replace
from secrets import token_hex

import structlog
from structlog.contextvars import bind_contextvars

from willcall.orders.model import CLOSED, Order, OrderDocument
from willcall.orders.order_documents import (
    Documents,
    as_tickets,
    mark_pages,
    merge_documents,
    missing_urls,
    split_tickets,
)
from willcall.orders.outcomes import Issued, PartlyIssued
from willcall.orders.ticket_documents import carry_over_documents, mark_given_up, missing_document_urls
from willcall.orders.ticket_identity import Tickets
from willcall.providers.base import Account
from willcall.stores.document_fetches import FetchClaim, FetchOutcome
from willcall.stores.schedule import Requester
from willcall.usecases.changes import notify_changes
from willcall.usecases.context import FETCH_DOCUMENTS, Context
from willcall.usecases.credentials import account_of
from willcall.usecases.downloads import ROUND, DownloadResult, download_missing
from willcall.usecases.orders import expedite_poll

log = structlog.get_logger(__name__)

TASK = FETCH_DOCUMENTS
#: Seconds that all documents of an order may take within an attempt, so that it ends well before its message is
#: redelivered. An account whose requests have less time has less for its documents too.
IN_ATTEMPT = 15.0
#: Seconds, beyond downloading and storing, after which a worker counts as dead.
_LEASE_MARGIN = 5.0
#: Seconds from the attempt to the first round. Each further wait is four times as long, up to the longest.
FIRST_WAIT, _GROWTH, _LONGEST_WAIT = 5.0, 4, 6 * 3_600.0
#: Seconds after which a document is given up. Its ticket keeps its address.
GIVE_UP = 3 * 86_400.0


def download_issued(
    context: Context, account: Account, order: Order, claim_id: str, outcome: Issued | PartlyIssued
) -> tuple[Issued | PartlyIssued, float | None]:
    """Return the outcome with the documents of its tickets, and in how many seconds to fetch the missing ones.

    Documents that the order has are not fetched again, and those that it lacked before have a round of their own. The
    attempt's lease is extended before anything is downloaded.
    """
    documents = merge_documents(order.documents, outcome.documents)
    tickets = carry_over_documents(outcome.tickets, order.tickets)
    files = (*tickets, *as_tickets(documents))
    fetch_in = None
    seconds = min(IN_ATTEMPT, account.http.total_timeout)
    lease = seconds + context.documents.patience + _LEASE_MARGIN
    if missing_document_urls(files) and context.stores.polls.extend_lease(order.id, claim_id, lease):
        later = missing_urls(order.tickets, order.documents)
        result = download_missing(context, account, order.id, files, seconds, later=later)
        tickets, documents, missing = _after(documents, result)
        if missing:
            fetch_in = result.token_wait or max(FIRST_WAIT, result.retry_after or 0.0)
        if result.why and missing:
            log.warning("documents missing", order=order.id, missing=missing, why=result.why)
    return replace(outcome, tickets=tickets, documents=documents), fetch_in


def fetch_documents(context: Context, order_id: str) -> float | None:
    """Run one round for an order that lacks documents. Returns the seconds until the next one, or None if none follows.

    New documents are written to the tickets by compare-and-set, and the backend is notified of them.
    """
    claim = context.stores.fetches.claim(order_id, token_hex(6), ROUND + context.documents.patience + _LEASE_MARGIN)
    if claim is None:
        return None
    order = claim.order
    bind_contextvars(provider=order.provider, account=order.account_key)
    account = context.accounts.get(order.account_key)
    account = account and account_of(context, account, order)
    files = (*order.tickets, *as_tickets(order.documents))
    result = download_missing(context, account, order_id, files, ROUND, follow_delayed=True)
    tickets, documents, missing = _after(order.documents, result)
    result = replace(result, missing=missing)
    wait = _wait(context, claim, result)
    why = result.why or "no time was left for all of them"
    abandoned = bool(missing) and wait is None
    if abandoned:
        reasons = {url: result.failures.get(url, why) for url in missing_urls(tickets, documents)}
        tickets, documents = mark_given_up(tickets, reasons), mark_pages(documents, reasons)
    after = replace(order, tickets=tickets, documents=documents)
    match context.stores.fetches.record_fetch(claim, after, wait, why, given_up=abandoned):
        case FetchOutcome.CHANGED:
            return 0.0
        case FetchOutcome.LOST:
            return None
    if after != order:
        notify_changes(context, [order_id])
    if result.found:
        log.info("documents", order=order_id, fetched=result.found, missing=result.missing)
    if abandoned:
        log.error("documents given up", order=order_id, missing=result.missing, why=result.why)
    elif result.stale and missing and account:
        expedite_poll(context, account, order_id, Requester.SWEEP)
    return wait


def prune_given_up(context: Context, offset: int, count: int) -> tuple[int, int]:
    """Remove orders from the list of given-up documents that are gone, refunded, or lack none any more.

    Looks at `count` of them from `offset` on. Returns how many it looked at and how many it removed.
    """
    fetches = context.stores.fetches
    ids = [order_id for order_id, _ in fetches.oldest_given_up(count, offset)]
    orders = context.stores.orders.get_many(ids)
    done = [
        order_id
        for order_id, order in zip(ids, orders, strict=True)
        if order is None or order.status in CLOSED or not missing_document_urls(order.tickets)
    ]
    fetches.forget_given_up(done)
    return len(ids), len(done)


def _after(documents: Sequence[OrderDocument], result: DownloadResult) -> tuple[Tickets, Documents, int]:
    """Return the tickets and the order's own documents after a round, and how many files are missing of all.

    An address may lead to a page for the customer rather than to a file. Then nothing is missing.
    """
    tickets, fetched = split_tickets(result.tickets)
    pages = {url: result.failures[url] for url in result.no_files}
    after = mark_pages(merge_documents(documents, fetched), pages)
    return tickets, after, len(missing_urls(tickets, after))


def _wait(context: Context, claim: FetchClaim, result: DownloadResult) -> float | None:
    """Return the seconds until the next round, or None if nothing is missing or it would be too late.

    A document that waits for a token continues at its booked slot and is never given up for lack of a token.
    """
    if not result.missing:
        return None
    if result.token_wait is not None:
        return result.token_wait
    grown = min(FIRST_WAIT * _GROWTH ** min(claim.tries + 1, 10), _LONGEST_WAIT)
    backed_off = (FIRST_WAIT if result.found else grown) * (1 + context.rng.uniform(0.0, 0.1))
    wait = max(backed_off, result.retry_after or 0.0)
    return wait if result.no_token or claim.now + wait <= claim.since + GIVE_UP else None
