"""The webhook route behind a real uvicorn, over the use cases' system."""

import hashlib
import hmac
import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pytest
import requests
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.integration.usecases.conftest import WEBHOOK_TOKENS, Setup, System, make_system
from willcall.api.webhooks import webhook_routes
from willcall.orders.model import Order
from willcall.stores import keys
from willcall.usecases.context import Context
from willcall.usecases.submit import submit

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["make_system"]

#: The simulator's bearer token of Tixstock's account, hence the key of its signatures.
KEY = "tixstock-default-token"


def pdf(name: str = "", size: int = 0) -> bytes:
    """Something that passes for a PDF."""
    return b"%PDF-1.7\n" + name.encode() + b"\n" + b"x" * size + b"\n%%EOF\n"


def stored(redis: "Redis") -> dict[str, Any]:
    """Return all of Redis, but for the counts of rejected webhooks."""
    return {name: redis.dump(name) for name in redis.scan_iter() if not name.startswith(keys.REJECTED_WEBHOOK_COUNTS)}


def upload(reference: str = "o-1", **fields: Any) -> dict[str, Any]:
    """An e-ticket as in Tixstock's sample; `pdf` is its file's content, `type` another kind."""
    content = fields.pop("pdf", b"")
    kind = fields.pop("type", "order.eticket_fulfilment")
    data = {
        "order_id": reference,
        "id": "15454542",
        "general_admission": 0,
        "row": "V",
        "seat": "100",
        "file": b64encode(content).decode() if content else "",
        "proof_file_url": [],
        "additional_file": "https://files.example/letter.pdf",
        "mobile_links": [],
    }
    return {"data": data | fields, "meta": {"type": kind}}


def seat(number: int, reference: str = "o-1", **fields: Any) -> dict[str, Any]:
    """The e-ticket of one seat, different from those of others."""
    return upload(reference, seat=str(number), pdf=pdf(f"seat {number}"), **fields)


def general(name: str, reference: str = "o-1", **fields: Any) -> dict[str, Any]:
    """A general-admission e-ticket."""
    return upload(reference, general_admission=1, row=None, seat=None, pdf=pdf(name), **fields)


@dataclass
class WebhookHarness:
    """A system with its webhooks open."""

    system: System
    url: str

    def submit(
        self, reference: str = "o-1", quantity: int | None = 2, provider: str = "tixstock", **fields: Any
    ) -> str:
        payload = {"id": "ord-1", "provider": provider, "reference": reference, "quantity": quantity, **fields}
        return submit(self.system.context, {name: value for name, value in payload.items() if value}).order_id

    def post(self, path: str, body: Any = b"", headers: dict[str, str] | None = None) -> requests.Response:
        return requests.post(f"{self.url}/webhooks/{path}", data=body, headers=headers, timeout=60)

    def push(self, document: dict[str, Any] | bytes, key: str = KEY) -> requests.Response:
        """Call as Tixstock does."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Tixstock-Signature": signature, "Content-Type": "application/json"}
        return self.post(f"tixstock/default/{WEBHOOK_TOKENS['tixstock']}", body, headers)

    def answer(self, document: dict[str, Any] | bytes) -> dict[str, Any]:
        response = self.push(document)
        assert response.status_code == 200
        answer = response.json()
        assert set(answer) == {"external_id", "order_status", "message", "success"}
        return answer

    def notify(self, reference: str) -> requests.Response:
        """Call as Tiqets does."""
        body = json.dumps({"order_reference_id": reference})
        return self.post(f"tiqets/default/{WEBHOOK_TOKENS['tiqets']}", body)

    def order(self) -> Order:
        return self.system.order()


class Server(uvicorn.Server):
    """uvicorn in a thread, over the routes of whichever test runs."""

    def __init__(self) -> None:
        self.app: ASGIApp = FastAPI()
        options: dict[str, Any] = {"interface": "asgi3", "log_config": None, "access_log": False}
        super().__init__(uvicorn.Config(self._serve_test, host="127.0.0.1", port=0, **options))
        self._thread = threading.Thread(target=self.run, daemon=True)

    async def _serve_test(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self.should_exit = True
        self._thread.join()

    def open(self, context: Context) -> str:
        """Serve the webhooks of a context; return the URL."""
        app = FastAPI()
        app.include_router(webhook_routes(lambda: context))
        self.app = app
        return f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}"


OpenWebhooks = Callable[[Context], str]


@pytest.fixture(scope="package")
def open_webhooks() -> Iterator[OpenWebhooks]:
    """Opens the webhooks of a context in place of those before: their URL."""
    with Server() as server:
        yield server.open


@pytest.fixture
def harness(make_system: Setup, open_webhooks: OpenWebhooks) -> WebhookHarness:
    made = make_system(callbacks=True)
    return WebhookHarness(made, open_webhooks(made.context))
