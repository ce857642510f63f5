"""Sending of scheduled pushes; a push that is not confirmed is sent again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus

from aiohttp import ClientError, ClientSession, ClientTimeout

from willcall.simulator.ledger import PushEntry
from willcall.simulator.state import ScheduledPush, SimulatorState

#: Minutes before each repeated push; the fifth is the last.
#: https://developers.tiqets.dev/basics/openapi/webhooks/order-change-notification
#: Tixstock documents no schedule; it is assumed to be the same.
RETRIES = (1, 2, 4, 8)

#: Seconds between two checks for due pushes.
TICK = 0.02


@asynccontextmanager
async def push_sender(state: SimulatorState) -> AsyncIterator[None]:
    """Send scheduled pushes inside the block."""
    async with ClientSession(timeout=ClientTimeout(total=60)) as session:
        task = asyncio.create_task(_run(state, session))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _run(state: SimulatorState, session: ClientSession) -> None:
    """Send due pushes: those of one order one after the other, those of different orders at the same time."""
    async with asyncio.TaskGroup() as group:
        while True:
            batches: dict[int, list[ScheduledPush]] = {}
            for push in state.push_queue.pop_due(state.clock()):
                batches.setdefault(id(push.order), []).append(push)
            for batch in batches.values():
                group.create_task(_send_batch(state, session, batch))
            await asyncio.sleep(TICK)


async def _send_batch(state: SimulatorState, session: ClientSession, batch: list[ScheduledPush]) -> None:
    for push in batch:
        for _ in range(push.script.times if push.attempt == 1 else 1):
            await _send(state, session, push)


async def _send(state: SimulatorState, session: ClientSession, push: ScheduledPush) -> None:
    """Send one push, and schedule the next attempt if it is not confirmed."""
    account, script = push.account, push.order.script
    url = account.script.webhook_url
    if url is None:
        return
    now = state.clock()
    request = account.provider.push(push.order.snapshot(now, state.origin), push.script, account.credentials)
    entry = PushEntry(
        number=len(state.ledger.pushes) + 1,
        sent=now,
        provider=account.provider.name,
        account=account.script.name,
        reference=script.reference,
        kind=push.script.kind,
        attempt=push.attempt,
    )
    try:
        async with session.post(url, data=request.body, headers=request.headers, allow_redirects=False) as response:
            entry.status, entry.answer = response.status, await response.text(errors="replace")
    except (ClientError, TimeoutError):
        pass
    entry.accepted = entry.status == HTTPStatus.OK
    state.ledger.pushes.append(entry)
    if not entry.accepted and push.attempt <= len(RETRIES):
        wait = RETRIES[push.attempt - 1] * state.push_minute
        state.push_queue.add(state.clock() + wait, replace(push, attempt=push.attempt + 1))
