"""A shop on FastAPI: it submits orders to Willcall and receives their events."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from store import Store

from willcall_client import AsyncClient, UnavailableError, WebhookVerificationError
from willcall_client.webhooks import verify

store = Store(os.environ["SHOP_DB"])


class Purchase(BaseModel):
    id: str
    reference: str
    quantity: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncClient(os.environ["WILLCALL_URL"], os.environ["WILLCALL_KEY"]) as app.state.willcall:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=201)
async def buy(purchase: Purchase) -> "dict[str, object]":
    await run_in_threadpool(store.add, purchase.id)  # first, for an event may arrive before the response
    try:
        order = await app.state.willcall.submit(
            "tiqets",
            purchase.reference,
            id=purchase.id,
            quantity=purchase.quantity,
            callback_url=f"{os.environ['SHOP_URL']}/willcall",
        )
    except UnavailableError:
        raise HTTPException(503, "try again: the same order is accepted once") from None
    return {"id": order.id, "status": order.status}


@app.get("/orders/{order_id}")
def show(order_id: str) -> "dict[str, object]":
    order = store.get(order_id)
    if order is None:
        raise HTTPException(404)
    return order


@app.post("/willcall")
async def receive(request: Request) -> Response:
    try:
        event = verify(await request.body(), request.headers, os.environ["WEBHOOK_SECRET"])
    except WebhookVerificationError:
        return Response(status_code=401)
    await run_in_threadpool(store.handle, event)
    return Response(status_code=204)
