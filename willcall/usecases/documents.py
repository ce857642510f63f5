"""Fetch the files behind tickets' addresses: at once, as such addresses often expire, and again what was not there.

Short-lived ones: https://docs.funtrips.io/reference/admingetuserfulfillmentordertickets
"""

import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import IO

import structlog
from structlog.contextvars import bind_contextvars

from willcall.http.messages import HttpLimits, Response
from willcall.http.outbound import WITH_BODY, RequestFailure
from willcall.orders.hints import FALLBACK_WAIT, hint_seconds
from willcall.orders.model import Order, Ticket
from willcall.orders.outcomes import Issued, Malformed, PartlyIssued
from willcall.orders.retry_after import retry_after_seconds
from willcall.orders.states import CLOSED
from willcall.orders.ticket_documents import (
    TicketFile,
    attach_documents,
    carry_over_documents,
    mark_given_up,
    missing_document_urls,
)
from willcall.providers.base import Account
from willcall.stores.bookings import BookingKind
from willcall.stores.document_fetches import FetchClaim, FetchOutcome
from willcall.stores.documents import MAX_BYTES, StorageError, UnsupportedFileError
from willcall.stores.orders import Requester
from willcall.usecases.context import FETCH_DOCUMENTS, Context
from willcall.usecases.control import expedite_poll
from willcall.usecases.failures import guarded
from willcall.usecases.ports import Operation
from willcall.usecases.settle import settle_throttled
from willcall.usecases.tokens import NoToken, take_token

log = structlog.get_logger(__name__)


TASK = FETCH_DOCUMENTS
#: Seconds that all documents of an order may take within an attempt, so that it ends well before its message is
#: given to another worker (less where the account's requests have less); and within a round of their own.
IN_ATTEMPT, ROUND = 15.0, 20.0
#: Seconds beyond that, and beyond storing the last one, after which whoever does it is taken for dead.
_LEASE_MARGIN = 5.0
#: Below this many seconds no further document is begun.
_TOO_LATE = 1.0
#: Seconds from the attempt to the first round; each further wait is so many times as long, up to the longest.
FIRST_WAIT, _GROWTH, _LONGEST_WAIT = 5.0, 4, 6 * 3_600.0
#: Seconds after which a document is given up: its ticket keeps its address.
GIVE_UP = 3 * 86_400.0

#: Seconds for which a document of the provider's own waits for its token at once, before it comes back at its slot.
_TOKEN_PATIENCE = 2.0

_LIMITS = HttpLimits(connect_timeout=3, read_timeout=10, total_timeout=ROUND, max_bytes=MAX_BYTES)
#: The server is there, yet wants to be left alone for now.
_THROTTLED = 429
_BUSY = {408, 425, _THROTTLED}
#: Statuses from here on do not say that all is well.
_REDIRECTION = 300


@dataclass(frozen=True, slots=True)
class DownloadResult:
    """Tickets with the documents that could be had.

    `found` is how many those are, `missing` how many not. `retry_after`: seconds that a server asked us to wait.
    `stale`: an address leads to no ticket (any more), so that only the provider can name one that does.
    `why` is what the last one failed by, `troubles` what each did by its address.
    `no_token`: what is missing waits for a token of the account.
    """

    tickets: tuple[Ticket, ...]
    found: int = 0
    missing: int = 0
    why: str | None = None
    retry_after: float | None = None
    stale: bool = False
    troubles: Mapping[str, str] = field(default_factory=dict, repr=False)
    no_token: NoToken | None = None


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a document could not be had.

    `away`: the host would not give others either; `full`: none can be stored; `no_token`: the account has none yet.
    """

    why: str
    retry_after: float | None = None
    stale: bool = False
    away: bool = False
    full: bool = False
    no_token: NoToken | None = None


def download_missing(
    context: Context,
    account: Account | None,
    order_id: str,
    tickets: Sequence[Ticket],
    seconds: float,
    *,
    later: Container[str] = (),
    waited: bool = False,
) -> DownloadResult:
    """Fetch what the tickets lack, one after another, within `seconds`; never raises for what others do wrong.

    In no fixed order, so that one that always fails cannot keep the same others waiting. Addresses that are fetched
    `later` by themselves are missing for now. `waited`: it is not the first time, so redirects that ask for patience
    are followed.
    """
    until = time.monotonic() + seconds
    wanted = [url for url in missing_document_urls(tickets) if url not in later]
    found: dict[str, TicketFile] = {}
    failed: dict[str, _Trouble] = {}
    away: list[list[str]] = []
    for url in context.rng.sample(wanted, len(wanted)):
        left, host = until - time.monotonic(), url.split("/", 3)[:3]
        if left < _TOO_LATE or any(trouble.full for trouble in failed.values()):
            break
        if host in away:
            continue
        result = _guarded_fetch(context, account, order_id, url, left, waited=waited)
        if isinstance(result, TicketFile):
            found[url] = result
            continue
        failed[url] = result
        if result.away:
            away.append(host)
    complete = attach_documents(tickets, found)
    troubles = list(failed.values())
    return DownloadResult(
        tickets=complete,
        found=len(found),
        missing=len(missing_document_urls(complete)),
        why=troubles[-1].why if troubles else None,
        retry_after=max((trouble.retry_after for trouble in troubles if trouble.retry_after), default=None),
        stale=any(trouble.stale for trouble in troubles),
        troubles={url: trouble.why for url, trouble in failed.items()},
        no_token=next((trouble.no_token for trouble in failed.values() if trouble.no_token), None),
    )


def download_issued(
    context: Context, account: Account, order: Order, claim_id: str, outcome: Issued | PartlyIssued
) -> tuple[Issued | PartlyIssued, float | None]:
    """The outcome of an attempt with the documents of its tickets, and when to fetch those that are missing.

    That is in so many seconds; None where none are. What the order has already is not fetched again, and what it
    lacked before is fetched when that is due. The attempt's lease is extended before anything is fetched.
    """
    tickets = carry_over_documents(outcome.tickets, order.tickets)
    fetch_in = None
    seconds = min(IN_ATTEMPT, account.http.total_timeout)
    lease = seconds + context.documents.patience + _LEASE_MARGIN
    if missing_document_urls(tickets) and context.stores.orders.extend(order.id, claim_id, lease):
        collected = download_missing(
            context, account, order.id, tickets, seconds, later=missing_document_urls(order.tickets)
        )
        tickets = collected.tickets
        if collected.missing:
            fetch_in = _token_wait(collected) or max(FIRST_WAIT, collected.retry_after or 0.0)
        if collected.why:
            log.warning("documents missing", order=order.id, missing=collected.missing, why=collected.why)
    return replace(outcome, tickets=tickets), fetch_in


def fetch_documents(context: Context, order_id: str) -> float | None:
    """One round for an order that lacks documents: seconds until the next one, None where none is to follow by us.

    What arrives is written into the order's tickets by compare-and-set, and makes no event: its status is the same.
    """
    fetch = context.stores.fetches.claim(order_id, token_hex(6), ROUND + context.documents.patience + _LEASE_MARGIN)
    if fetch is None:
        return None
    order = fetch.order
    bind_contextvars(provider=order.provider, account=order.account_key)
    account = context.accounts.get(order.account_key)
    collected = download_missing(context, account, order_id, order.tickets, ROUND, waited=True)
    wait = _wait(context, fetch, collected)
    why = collected.why or "no time was left for all of them"
    tickets = collected.tickets
    abandoned = bool(collected.missing) and wait is None
    if abandoned:
        tickets = mark_given_up(
            tickets, {url: collected.troubles.get(url, why) for url in missing_document_urls(tickets)}
        )
    match context.stores.fetches.settle(fetch, replace(order, tickets=tickets), wait, why, given_up=abandoned):
        case FetchOutcome.CHANGED:
            return 0.0
        case FetchOutcome.LOST:
            return None
    if collected.found:
        log.info("documents", order=order_id, fetched=collected.found, missing=collected.missing)
    if abandoned:
        log.error("documents given up", order=order_id, missing=collected.missing, why=collected.why)
    elif collected.stale and account:
        expedite_poll(context, account, order_id, Requester.SWEEP)
    return wait


def prune_given_up(context: Context, offset: int, count: int) -> tuple[int, int]:
    """Take orders off the list of documents given up that lack none any more, or are gone or refunded.

    Looks at `count` of them from `offset` on. Returns how many it looked at and how many of these it took off.
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


def _wait(context: Context, fetch: FetchClaim, collected: DownloadResult) -> float | None:
    """Seconds until the next round, None where nothing is missing or it would be too late.

    A document that waits for a token comes back at its booked slot, and is never given up for want of one.
    """
    if not collected.missing:
        return None
    slot = _token_wait(collected)
    if slot is not None:
        return slot
    grown = min(FIRST_WAIT * _GROWTH ** min(fetch.tries + 1, 10), _LONGEST_WAIT)
    backed_off = (FIRST_WAIT if collected.found else grown) * (1 + context.rng.uniform(0.0, 0.1))
    wait = max(backed_off, collected.retry_after or 0.0)
    return wait if collected.no_token or fetch.now + wait <= fetch.since + GIVE_UP else None


def _token_wait(collected: DownloadResult) -> float | None:
    """Seconds until the slot that is booked for what is missing, None where none is."""
    return collected.no_token.wait if collected.no_token else None


def _guarded_fetch(
    context: Context, account: Account | None, order_id: str, url: str, seconds: float, *, waited: bool
) -> TicketFile | _Trouble:
    """The same as `_fetch`; a mistake of ours costs one document one round, not the order its tickets."""
    result = guarded(
        context,
        Operation.DOCUMENTS,
        lambda: _fetch(context, account, order_id, url, seconds, waited=waited),
        order=order_id,
        account=account.key if account else None,
    )
    return _Trouble(result.detail or "") if isinstance(result, Malformed) else result


def _fetch(
    context: Context, account: Account | None, order_id: str, url: str, seconds: float, *, waited: bool
) -> TicketFile | _Trouble:
    """The stored file, or why there is none."""
    permits = _Permits(context, account, order_id)
    headers = {"Accept": "application/pdf, */*;q=0.5"}
    if account and permits.is_own(url):
        headers |= account.credentials.document_headers()
    try:
        with context.documents.draft() as draft:
            limits = replace(_LIMITS, total_timeout=seconds)
            reply = context.outbound.get(url, limits, headers, into=draft, follow_delayed=waited, may_send=permits.take)
            if isinstance(reply, Response) and reply.status in WITH_BODY:
                return _store(context, order_id, reply, draft)
    except StorageError as error:
        log.warning("documents cannot be stored", order=order_id, error=error)
        return _Trouble(f"cannot be stored: {error}", full=True)
    if permits.no_token:
        return _Trouble("waits for a token", away=True, no_token=permits.no_token)
    return _trouble(context, reply, order_id, account if permits.last_was_own else None)


class _Permits:
    """The tokens of one fetch: each request under the provider's own address takes one, be it by a redirect.

    `last_was_own`: the last request went there. `no_token`: there was none for it.
    """

    def __init__(self, context: Context, account: Account | None, order_id: str) -> None:
        self._context, self._account, self._order_id = context, account, order_id
        self.last_was_own = False
        self.no_token: NoToken | None = None

    def is_own(self, url: str) -> bool:
        """Return whether a request goes to the provider like any other, with our credentials and a token."""
        return self._account is not None and url.startswith(f"{self._account.credentials.base_url}/")

    def take(self, url: str) -> bool:
        """Return whether a request may leave now."""
        self.last_was_own = self.is_own(url)
        if self._account is None or not self.last_was_own:
            return True
        token = take_token(self._context, self._account, BookingKind.DOCUMENTS, self._order_id, _TOKEN_PATIENCE)
        self.no_token = token if isinstance(token, NoToken) else None
        return self.no_token is None


def _store(context: Context, order_id: str, reply: Response, draft: IO[bytes]) -> TicketFile | _Trouble:
    """Store what came. A page that says "please wait" is no ticket; with `Retry-After` its address stays good."""
    try:
        return context.documents.put(draft, order_id).ticket_file
    except UnsupportedFileError as error:
        wait = retry_after_seconds(reply.headers, context.stores.accounts.now())
        hint = hint_seconds(wait, fallback=FALLBACK_WAIT)
        return _Trouble(f"the file is {error}", hint, stale=not hint)


def _trouble(context: Context, reply: Response | RequestFailure, order_id: str, account: Account | None) -> _Trouble:
    """What it means that there is no document. A server that is away or busy is so for the order's others too.

    `account`: whose provider the server is; its 429 binds all requests.
    """
    if isinstance(reply, RequestFailure):
        return _Trouble(reply.why, stale=reply.bad_redirect, away=not reply.bad_redirect)
    busy = reply.status in _BUSY or reply.status >= 500  # noqa: PLR2004 - the server's own troubles
    now = context.stores.accounts.now()
    wait = retry_after_seconds(reply.headers, now)
    if account and reply.status == _THROTTLED:
        settle_throttled(context, account, wait, now)
        # A slot after the throttle: where a person ends that, the document comes forward with the orders.
        token = take_token(context, account, BookingKind.DOCUMENTS, order_id, 0.0)
        if isinstance(token, NoToken) and token.wait is not None:
            return _Trouble("HTTP 429", away=True, no_token=token)
    hint = hint_seconds(wait, fallback=FALLBACK_WAIT)
    # 202 and 204: the file is still being made. A host that says when to come back will have it there.
    stale = reply.status >= _REDIRECTION and not busy and not hint
    return _Trouble(f"HTTP {reply.status}", hint, stale=stale, away=busy)
