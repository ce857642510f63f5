"""`tasks.poll`: one attempt, which reschedules itself."""

from random import uniform

from celery import Task, shared_task

from willcall.stores.orders import Message
from willcall.usecases.poll_once import Polled, poll_once

#: Seconds after which a message comes back when its provider has no thread left: from, to.
CROWDED = (0.05, 0.15)


@shared_task(name="tasks.poll", bind=True, log_fields=("order", "seq", "account"))
def poll(self: Task, order_id: str, seq: int, account: str) -> int | None:
    """Ask once about an order. `seq` is the fence: any other message of the order is stale and asks nothing.

    Returns which attempt it was, for Flower; None where it was none.
    """
    context = self.app.willcall
    with self.app.bulkhead.place(account.partition("/")[0]) as room:
        polled = poll_once(context, order_id, seq, account) if room else None
    if polled is None:
        crowded = Message(order_id, seq, uniform(*CROWDED), token=True)  # noqa: S311 - spreads load
        polled = Polled(again=(crowded, 0.0))
    if polled.again:
        message, now = polled.again
        context.sender.send_polls(account, [message], now)
    return polled.attempt
