"""`POST /webhooks/{provider}/{account}/{token}`: what providers tell us by themselves.

Whoever does not know an account's token learns nothing here: an unknown provider, account or token is one and the
same 404, and no body is read. Bodies, tokens and references are never logged; a server in front of this must not
write paths into its access log either.
"""

import asyncio
import hmac

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from willcall.providers.base import Account
from willcall.providers.pushes import PushCall, Pushes, webhook_token
from willcall.stores.connection import StoreError
from willcall.stores.documents import StorageError
from willcall.usecases.context import Context
from willcall.usecases.failures import UnexpectedError
from willcall.usecases.ingest_webhook import ingest_webhook

log = structlog.get_logger(__name__)

#: Calls that are read and worked on at once. It bounds memory: one takes up to four times its body.
AT_ONCE = 8
#: Longest time until a body is here, seconds, the wait for one's turn included; then the provider may call again.
ARRIVAL = 60.0
#: Seconds after which a provider should call again where nothing can be stored now.
RETRY_AFTER = "30"

#: Compared with where there is no account, so that it takes as long.
_NOBODY = "0" * 64


def webhook_routes(context: Context) -> APIRouter:
    """The route, over a context whose accounts may be called."""
    router = APIRouter()
    turns = asyncio.Semaphore(AT_ONCE)
    limit = context.settings.api.max_webhook_bytes

    @router.post("/webhooks/{provider}/{account}/{token}", include_in_schema=False)
    async def receive(provider: str, account: str, token: str, request: Request) -> Response:
        found = _called(context, f"{provider}/{account}", token)
        if found is None:
            return _problem(404, "Not Found")
        if _announced(request) > limit:
            return _problem(413, "Content Too Large")
        try:
            async with asyncio.timeout(ARRIVAL) as arrival, turns:
                body = await _read(request, limit)
                arrival.reschedule(None)
                if body is None:
                    return _problem(413, "Content Too Large")
                return await run_in_threadpool(_ingest, context, *found, body, dict(request.headers))
        except TimeoutError:
            return _later(found[0], "took too long")
        except ClientDisconnect:
            return Response(status_code=400)

    return router


def _called(context: Context, key: str, token: str) -> tuple[Account, Pushes] | None:
    """The account that may be called with this token, None where there is none; compared in constant time."""
    account = context.accounts.get(key)
    expected = webhook_token(account.credentials) if account else None
    same = hmac.compare_digest(token.encode(), (expected or _NOBODY).encode())
    if account is None or account.adapter.pushes is None or expected is None or not same:
        return None
    return account, account.adapter.pushes


def _announced(request: Request) -> int:
    """The `Content-Length`, 0 where there is none (the body comes in chunks)."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


async def _read(request: Request, limit: int) -> bytes | None:
    """The body as it came, None as soon as it is larger than `limit`."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
    return b"".join(parts)


def _ingest(context: Context, account: Account, pushes: Pushes, body: bytes, headers: dict[str, str]) -> Response:
    """Runs in a thread: the use case waits for Redis and for files."""
    try:
        answer = ingest_webhook(context, account, pushes, PushCall(body, headers))
    except (StoreError, StorageError, UnexpectedError) as error:
        return _later(account, type(error).__name__)
    return Response(answer.body, answer.status, media_type=answer.content_type)


def _later(account: Account, why: str) -> Response:
    log.error("webhook not taken", account=account.key, why=why)
    response = _problem(503, "Service Unavailable")
    response.headers["retry-after"] = RETRY_AFTER
    return response


def _problem(status: int, title: str) -> Response:
    """An error as RFC 9457 has it, which says nothing beyond its status."""
    body = f'{{"type": "about:blank", "title": "{title}", "status": {status}}}'
    return Response(body, status, media_type="application/problem+json")
