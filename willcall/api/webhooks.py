"""`POST /webhooks/{provider}/{account}/{token}`: pushes from providers.

Without the account's token, every provider, account and token gets the same 404, and no body is read.
Bodies, tokens and references are never logged; a proxy must not write paths into its access log either.
"""

import asyncio
import hmac
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from math import inf
from time import monotonic

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect

from willcall.api.request_body import BodyLimits, BodyReceiver, ReceivedBody, TooLargeError
from willcall.providers.base import Account
from willcall.providers.credentials import webhook_tokens
from willcall.providers.pushes import Pushes, PushRequest
from willcall.stores.connection import StoreError
from willcall.stores.documents import StorageError
from willcall.stores.rejected_webhooks import RejectionReason
from willcall.usecases.context import Context
from willcall.usecases.failures import UnexpectedError
from willcall.usecases.ingest_webhook import ingest_webhook

log = structlog.get_logger(__name__)

#: Calls processed at once, and of one account. Each takes up to four times the size of its body in memory.
MAX_CALLS, MAX_CALLS_PER_ACCOUNT = 8, 4
#: Calls with files that an account may send at once; more of them wait, unread.
MAX_UPLOADS_PER_ACCOUNT = 8
#: Seconds until a body must be complete; then the provider may call again.
BODY_SECONDS = 60.0
#: Seconds that a call waits for other calls of its account; then the provider may call again.
WAIT_SECONDS = 30.0
#: Seconds after which a provider should call again if nothing can be stored now.
RETRY_AFTER = "30"

#: Compared with if there is no such account, so that it takes as long.
_NO_TOKEN = "0" * 64


class _Calls:
    """The pushes to one account. They delay only each other."""

    def __init__(self) -> None:
        self.receiver = BodyReceiver(MAX_UPLOADS_PER_ACCOUNT)
        self.turns = asyncio.Semaphore(MAX_CALLS_PER_ACCOUNT)


class _WrongTokens:
    """Counts calls with a wrong token for accounts that have one.

    They are written after the response, so that it takes as long as for any other address, and at most once a second
    for each account, as anybody may send them.
    """

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()
        self._written: dict[str, float] = {}

    def noting(self, context: Context, key: str) -> BackgroundTask | None:
        """Return what counts a call for an account, `None` if the account expects no webhooks."""
        account = context.accounts.get(key)
        if account is None or account.adapter.pushes is None or not webhook_tokens(account.credentials):
            return None
        return BackgroundTask(self._note, context, key)

    async def _note(self, context: Context, key: str) -> None:
        self._counted[key] += 1
        if monotonic() - self._written.get(key, -inf) < 1:
            return
        self._written[key], count = monotonic(), self._counted.pop(key)
        log.warning("webhook rejected", account=key, why=RejectionReason.ADDRESS.text)
        with suppress(StoreError):  # the call was rejected all the same
            await to_thread.run_sync(context.stores.rejected_webhooks.record, key, RejectionReason.ADDRESS, count)


def webhook_routes(current: Callable[[], Context]) -> APIRouter:
    """Return the route, for the accounts of the current context."""
    router = APIRouter()
    calls: dict[str, _Calls] = defaultdict(_Calls)
    threads = CapacityLimiter(MAX_CALLS)
    wrong_tokens = _WrongTokens()

    @router.post("/webhooks/{provider}/{account}/{token}", include_in_schema=False)
    async def receive(provider: str, account: str, token: str, request: Request) -> Response:
        context = current()
        limit = context.settings.api.max_webhook_bytes
        found = _called(context, f"{provider}/{account}", token)
        if found is None:
            return _problem(404, "Not Found", wrong_tokens.noting(context, f"{provider}/{account}"))
        called, pushes = found
        limits = BodyLimits(min(limit, pushes.max_bytes or limit), BODY_SECONDS)
        try:
            async with _received(request, limits, calls[called.key]) as body:
                work = partial(_ingest, context, called, pushes, body, dict(request.headers))
                return await to_thread.run_sync(work, limiter=threads)
        except TooLargeError:
            return _problem(413, "Content Too Large")
        except TimeoutError:
            return _later(called, "took too long")
        except OSError as error:
            return _later(called, f"disk: {error.strerror}")
        except ClientDisconnect:
            return Response(status_code=400)

    return router


@asynccontextmanager
async def _received(request: Request, limits: BodyLimits, calls: _Calls) -> AsyncIterator[ReceivedBody]:
    """Receive the body of a call and wait for its turn. Raises as `BodyReceiver.receive` does."""
    body = await calls.receiver.receive(request, limits)
    try:
        await asyncio.wait_for(calls.turns.acquire(), WAIT_SECONDS)
        try:
            yield body
        finally:
            calls.turns.release()
    finally:
        body.close()


def _called(context: Context, key: str, token: str) -> tuple[Account, Pushes] | None:
    """Return the account with this token, or `None`; compared in constant time."""
    account = context.accounts.get(key)
    expected = [known.get_secret_value() for known in webhook_tokens(account.credentials)] if account else []
    # Providers' forms are often filled in with a trailing blank.
    given = token.strip().encode()
    same = [hmac.compare_digest(given, known.encode()) for known in expected or [_NO_TOKEN]]  # all of them, in any case
    if account is None or account.adapter.pushes is None or not expected or not any(same):
        return None
    return account, account.adapter.pushes


def _ingest(
    context: Context, account: Account, pushes: Pushes, body: ReceivedBody, headers: dict[str, str]
) -> Response:
    """Runs in a thread, as the use case waits for Redis and for files."""
    try:
        answer = ingest_webhook(context, account, pushes, PushRequest(body.read(), headers))
    except (StoreError, StorageError, UnexpectedError) as error:
        return _later(account, type(error).__name__)
    return Response(answer.body, answer.status, media_type=answer.content_type)


def _later(account: Account, why: str) -> Response:
    log.error("webhook failed", account=account.key, why=why)
    response = _problem(503, "Service Unavailable")
    response.headers["retry-after"] = RETRY_AFTER
    return response


def _problem(status: int, title: str, afterwards: BackgroundTask | None = None) -> Response:
    """Return a problem (RFC 9457) without details."""
    body = f'{{"type": "about:blank", "title": "{title}", "status": {status}}}'
    return Response(body, status, media_type="application/problem+json", background=afterwards)
