"""Download the documents that tickets point to."""

import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO

import structlog

from willcall.http.messages import HttpLimits, Response
from willcall.http.outbound import WITH_BODY, RequestFailure
from willcall.http.routes import Route
from willcall.orders.hints import FALLBACK_WAIT, hint_seconds
from willcall.orders.model import Ticket
from willcall.orders.outcomes import Malformed
from willcall.orders.retry_after import retry_after_seconds
from willcall.orders.ticket_documents import TicketFile, attach_documents, missing_document_urls
from willcall.providers.base import Account
from willcall.stores.bookings import BookingKind
from willcall.stores.documents import MAX_BYTES, StorageError, UnsupportedFileError
from willcall.usecases.account_reports import report_throttle
from willcall.usecases.context import Context
from willcall.usecases.failures import guarded
from willcall.usecases.ports import Operation
from willcall.usecases.tokens import NoToken, take_token

log = structlog.get_logger(__name__)

#: Seconds that a round of downloads for one order may take.
ROUND = 20.0
#: No further download begins with fewer seconds left.
_TOO_LATE = 1.0
#: Seconds for which a download from the provider itself waits for its token, before it continues at its booked slot.
_TOKEN_PATIENCE = 2.0

_LIMITS = HttpLimits(connect_timeout=3, read_timeout=10, total_timeout=ROUND, max_bytes=MAX_BYTES)
_TOO_MANY_REQUESTS = 429
#: The server is reachable but asks for a pause.
_BUSY = {408, 425, _TOO_MANY_REQUESTS}
_REDIRECTION, _SERVER_ERROR = 300, 500


@dataclass(frozen=True, slots=True)
class DownloadResult:
    """Tickets with the documents that could be downloaded.

    `found` and `missing` count documents. `why` is the last failure, `failures` all of them by address. `retry_after`:
    seconds that a server asked us to wait. `no_files`: addresses that lead to something else, such as a page. `stale`:
    an address no longer leads to a ticket, and only the provider can name another one. `no_token`: what is missing
    waits for a token of the account.
    """

    tickets: tuple[Ticket, ...]
    found: int = 0
    missing: int = 0
    why: str | None = None
    retry_after: float | None = None
    stale: bool = False
    failures: Mapping[str, str] = field(default_factory=dict, repr=False)
    no_files: frozenset[str] = field(default=frozenset(), repr=False)
    no_token: NoToken | None = None

    @property
    def token_wait(self) -> float | None:
        """Seconds until the slot that is booked for what is missing, if one is."""
        return self.no_token.wait if self.no_token else None


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a document could not be downloaded.

    `host_down`: its host would not serve others either. `full`: no document can be stored. `no_token`: the account has
    no token yet. `no_file`: the response is something else.
    """

    why: str
    retry_after: float | None = None
    stale: bool = False
    host_down: bool = False
    full: bool = False
    no_token: NoToken | None = None
    no_file: bool = False


def download_missing(
    context: Context,
    account: Account | None,
    order_id: str,
    tickets: Sequence[Ticket],
    seconds: float,
    *,
    later: Container[str] = (),
    follow_delayed: bool = False,
) -> DownloadResult:
    """Download what the tickets lack, one document after another, within `seconds`.

    The order of downloads is random, so that a document which always fails cannot keep the same others waiting.
    Addresses in `later` are left to a round of their own and count as missing. `follow_delayed`: follow redirects that
    have a `Retry-After`. Failures of servers are not raised.
    """
    until = time.monotonic() + seconds
    wanted = [url for url in missing_document_urls(tickets) if url not in later]
    found: dict[str, TicketFile] = {}
    failed: dict[str, _Failure] = {}
    down: list[list[str]] = []
    for url in context.rng.sample(wanted, len(wanted)):
        left, host = until - time.monotonic(), url.split("/", 3)[:3]
        if left < _TOO_LATE or any(failure.full for failure in failed.values()):
            break
        if host in down:
            continue
        result = _guarded_download(context, account, order_id, url, left, follow_delayed=follow_delayed)
        if isinstance(result, TicketFile):
            found[url] = result
            continue
        failed[url] = result
        if result.host_down:
            down.append(host)
    complete = attach_documents(tickets, found)
    failures = list(failed.values())
    return DownloadResult(
        tickets=complete,
        found=len(found),
        missing=len(missing_document_urls(complete)),
        why=failures[-1].why if failures else None,
        retry_after=max((failure.retry_after for failure in failures if failure.retry_after), default=None),
        stale=any(failure.stale for failure in failures),
        failures={url: failure.why for url, failure in failed.items()},
        no_files=frozenset(url for url, failure in failed.items() if failure.no_file),
        no_token=next((failure.no_token for failure in failures if failure.no_token), None),
    )


def _guarded_download(
    context: Context, account: Account | None, order_id: str, url: str, seconds: float, *, follow_delayed: bool
) -> TicketFile | _Failure:
    """Download a document; a bug costs one document one round, not the order its tickets."""
    result = guarded(
        context,
        Operation.DOCUMENTS,
        lambda: _download(context, account, order_id, url, seconds, follow_delayed=follow_delayed),
        order=order_id,
        account=account.key if account else None,
    )
    return _Failure(result.detail or "") if isinstance(result, Malformed) else result


def _download(
    context: Context, account: Account | None, order_id: str, url: str, seconds: float, *, follow_delayed: bool
) -> TicketFile | _Failure:
    gate = _TokenGate(context, account, order_id)
    try:
        with context.documents.draft() as draft:
            limits = replace(_LIMITS, total_timeout=seconds)
            response = context.outbound.get(
                url,
                limits,
                gate.headers,
                into=draft,
                follow_delayed=follow_delayed,
                may_send=gate.take_token,
                own_route=gate.own_route,
            )
            if isinstance(response, Response) and response.status in WITH_BODY:
                return _store(context, order_id, response, draft)
    except StorageError as error:
        log.warning("documents not stored", order=order_id, error=error)
        return _Failure(f"cannot be stored: {error}", full=True)
    if gate.no_token:
        return _Failure("waits for a token", host_down=True, no_token=gate.no_token)
    return _failure(context, response, order_id, account if gate.last_was_provider else None)


class _TokenGate:
    """Takes a token for each request of one download that goes to the provider itself, redirects included.

    `last_was_provider`: the last request went there. `no_token`: there was none for it.
    """

    def __init__(self, context: Context, account: Account | None, order_id: str) -> None:
        self._context, self._account, self._order_id = context, account, order_id
        self.last_was_provider = False
        self.no_token: NoToken | None = None

    def is_provider(self, url: str) -> bool:
        """Return whether a request goes to the provider's API, with credentials and a token."""
        return self._account is not None and self._account.is_own_url(url)

    def headers(self, url: str) -> Mapping[str, str]:
        """Return the headers of a request, which have the account's credentials if it goes to the provider."""
        own = self._account.credentials.document_headers() if self._account and self.is_provider(url) else {}
        return {"Accept": "application/pdf, */*;q=0.5", **own}

    def own_route(self, url: str) -> Route | None:
        """Return how the account reaches the provider, for a request that goes there."""
        return self._account.route if self._account and self.is_provider(url) else None

    def take_token(self, url: str) -> bool:
        """Return whether the request may be sent now."""
        self.last_was_provider = self.is_provider(url)
        if self._account is None or not self.last_was_provider:
            return True
        token = take_token(self._context, self._account, BookingKind.DOCUMENTS, self._order_id, _TOKEN_PATIENCE)
        self.no_token = token if isinstance(token, NoToken) else None
        return self.no_token is None


def _store(context: Context, order_id: str, response: Response, draft: IO[bytes]) -> TicketFile | _Failure:
    """Store a document. A "please wait" page is not a document, but with `Retry-After` its address remains valid."""
    try:
        return context.documents.put(draft, order_id).ticket_file
    except UnsupportedFileError as error:
        wait = retry_after_seconds(response.headers, context.stores.accounts.now())
        hint = hint_seconds(wait, fallback=FALLBACK_WAIT)
        return _Failure(f"the file is {error}", hint, stale=not hint, no_file=not hint)


def _failure(
    context: Context, response: Response | RequestFailure, order_id: str, provider: Account | None
) -> _Failure:
    """Return what a response without a document means. A 429 of the `provider` itself throttles its account."""
    if isinstance(response, RequestFailure):
        return _Failure(response.why, stale=response.bad_redirect, host_down=not response.bad_redirect)
    busy = response.status in _BUSY or response.status >= _SERVER_ERROR
    now = context.stores.accounts.now()
    wait = retry_after_seconds(response.headers, now)
    if provider and response.status == _TOO_MANY_REQUESTS:
        report_throttle(context, provider, wait, now)
        # Books a slot after the throttle: if an operator ends that, the document moves forward with the orders.
        token = take_token(context, provider, BookingKind.DOCUMENTS, order_id, 0.0)
        if isinstance(token, NoToken) and token.wait is not None:
            return _Failure("HTTP 429", host_down=True, no_token=token)
    hint = hint_seconds(wait, fallback=FALLBACK_WAIT)
    # 202 and 204: the file is being made. A host that says when to come back will have it at the same address.
    stale = response.status >= _REDIRECTION and not busy and not hint
    return _Failure(f"HTTP {response.status}", hint, stale=stale, host_down=busy)
