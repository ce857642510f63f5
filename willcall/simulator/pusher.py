"""The providers' own calls: planned per order, sent when their time has come, repeated until they are answered."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import ClientError, ClientSession, ClientTimeout

from willcall.simulator.ledger import PushEntry
from willcall.simulator.push_script import PushScript

if TYPE_CHECKING:
    from willcall.simulator.accounts import Account, Order
    from willcall.simulator.world import World

#: Minutes before each repeated call; the fifth call is the last.
#: https://developers.tiqets.dev/basics/openapi/webhooks/order-change-notification
#: Tixstock's schedule is documented nowhere: it is taken to be the same.
RETRIES = (1, 2, 4, 8)

#: Seconds between two looks at what is due.
TICK = 0.02


@dataclass(frozen=True, slots=True)
class Planned:
    """One call to make; `attempt` counts from 1."""

    account: "Account"
    order: "Order"
    script: PushScript
    attempt: int = 1


class Plan:
    """Calls by the time at which they are to be made."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Planned]] = []
        self._numbers = itertools.count()

    def add(self, at: float, planned: Planned) -> None:
        """Make a call at `at` (epoch)."""
        heapq.heappush(self._heap, (at, next(self._numbers), planned))

    def due(self, now: float) -> Iterable[Planned]:
        """Take out what is due, in its order."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)[2]


@asynccontextmanager
async def pushing(world: "World") -> AsyncIterator[None]:
    """Make the planned calls inside the block."""
    async with ClientSession(timeout=ClientTimeout(total=60)) as session:
        task = asyncio.create_task(_run(world, session))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _run(world: "World", session: ClientSession) -> None:
    """Calls that are due together are made one after the other per order, and at once for different orders."""
    async with asyncio.TaskGroup() as group:
        while True:
            batches: dict[int, list[Planned]] = {}
            for planned in world.plan.due(world.clock()):
                batches.setdefault(id(planned.order), []).append(planned)
            for batch in batches.values():
                group.create_task(_send_all(world, session, batch))
            await asyncio.sleep(TICK)


async def _send_all(world: "World", session: ClientSession, batch: list[Planned]) -> None:
    for planned in batch:
        for _ in range(planned.script.times if planned.attempt == 1 else 1):
            await _send(world, session, planned)


async def _send(world: "World", session: ClientSession, planned: Planned) -> None:
    """One call; where it is not answered well, the next one is planned."""
    account, script = planned.account, planned.order.script
    url = account.script.webhook_url
    if url is None:
        return
    now = world.clock()
    push = account.provider.push(planned.order.view(now, world.origin), planned.script, account.credentials)
    entry = PushEntry(
        number=len(world.ledger.pushes) + 1,
        sent=now,
        provider=account.provider.name,
        account=account.script.name,
        reference=script.reference,
        kind=planned.script.kind,
        attempt=planned.attempt,
    )
    try:
        async with session.post(url, data=push.body, headers=push.headers, allow_redirects=False) as response:
            entry.status, entry.answer = response.status, await response.text(errors="replace")
    except (ClientError, TimeoutError):
        pass
    entry.accepted = entry.status == HTTPStatus.OK
    world.ledger.pushes.append(entry)
    if not entry.accepted and planned.attempt <= len(RETRIES):
        wait = RETRIES[planned.attempt - 1] * world.push_minute
        world.plan.add(world.clock() + wait, Planned(account, planned.order, planned.script, planned.attempt + 1))
