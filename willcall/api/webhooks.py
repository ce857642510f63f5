"""`POST /webhooks/{provider}/{account}/{token}`: what providers tell us by themselves.

Whoever does not know an account's token learns nothing here: an unknown provider, account or token is one and the
same 404, and no body is read. Bodies, tokens and references are never logged; a server in front of this must not
write paths into its access log either.
"""

import asyncio
import hmac
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from willcall.api.request_body import BodyLimits, BodyReceiver, ReceivedBody, TooLargeError
from willcall.providers.base import Account
from willcall.providers.credentials import webhook_token
from willcall.providers.pushes import Pushes, PushRequest
from willcall.stores.connection import StoreError
from willcall.stores.documents import StorageError
from willcall.usecases.context import Context
from willcall.usecases.failures import UnexpectedError
from willcall.usecases.ingest_webhook import ingest_webhook

log = structlog.get_logger(__name__)

#: Calls that are worked on at once, and of one account. It bounds memory: one takes up to four times its body.
AT_ONCE, OF_ACCOUNT = 8, 4
#: Calls with files that an account may be sending at once; more of them wait, unread.
UPLOADS = 8
#: Longest time until a body is here, seconds; then the provider may call again.
ARRIVAL = 60.0
#: Longest wait for one's turn among the account's own calls, seconds; then the same.
TURN = 30.0
#: Seconds after which a provider should call again where nothing can be stored now.
RETRY_AFTER = "30"

#: Compared with where there is no account, so that it takes as long.
_NOBODY = "0" * 64


class _Calls:
    """What one account is sent. It keeps waiting nobody but itself."""

    def __init__(self) -> None:
        self.uploads = BodyReceiver(UPLOADS)
        self.turns = asyncio.Semaphore(OF_ACCOUNT)


def webhook_routes(context: Context) -> APIRouter:
    """The route, over a context whose accounts may be called."""
    router = APIRouter()
    calls: dict[str, _Calls] = defaultdict(_Calls)
    threads = CapacityLimiter(AT_ONCE)
    limit = context.settings.api.max_webhook_bytes

    @router.post("/webhooks/{provider}/{account}/{token}", include_in_schema=False)
    async def receive(provider: str, account: str, token: str, request: Request) -> Response:
        found = _called(context, f"{provider}/{account}", token)
        if found is None:
            return _problem(404, "Not Found")
        called, pushes = found
        limits = BodyLimits(min(limit, pushes.max_bytes or limit), ARRIVAL)
        try:
            async with _received(request, limits, calls[called.key]) as body:
                work = partial(_ingest, context, called, pushes, body, dict(request.headers))
                return await to_thread.run_sync(work, limiter=threads)
        except TooLargeError:
            return _problem(413, "Content Too Large")
        except TimeoutError:
            return _later(called, "took too long")
        except OSError as error:
            return _later(called, f"no room on the disk: {error.strerror}")
        except ClientDisconnect:
            return Response(status_code=400)

    return router


@asynccontextmanager
async def _received(request: Request, limits: BodyLimits, calls: _Calls) -> AsyncIterator[ReceivedBody]:
    """A call whose body is here and whose turn it is. Raises as `Uploads.receive` does."""
    body = await calls.uploads.receive(request, limits)
    try:
        await asyncio.wait_for(calls.turns.acquire(), TURN)
        try:
            yield body
        finally:
            calls.turns.release()
    finally:
        body.close()


def _called(context: Context, key: str, token: str) -> tuple[Account, Pushes] | None:
    """The account that may be called with this token, None where there is none; compared in constant time."""
    account = context.accounts.get(key)
    expected = webhook_token(account.credentials) if account else None
    # Whoever pastes the address may paste a blank with it.
    same = hmac.compare_digest(token.strip().encode(), (expected or _NOBODY).encode())
    if account is None or account.adapter.pushes is None or expected is None or not same:
        return None
    return account, account.adapter.pushes


def _ingest(
    context: Context, account: Account, pushes: Pushes, body: ReceivedBody, headers: dict[str, str]
) -> Response:
    """Runs in a thread: the use case waits for Redis and for files."""
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


def _problem(status: int, title: str) -> Response:
    """An error as RFC 9457 has it, which says nothing beyond its status."""
    body = f'{{"type": "about:blank", "title": "{title}", "status": {status}}}'
    return Response(body, status, media_type="application/problem+json")
