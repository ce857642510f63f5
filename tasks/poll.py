"""`tasks.poll`: one attempt, which reschedules itself."""

from random import uniform

from celery import Task, shared_task

from willcall.stores.orders import Message
from willcall.usecases.poll_once import poll_once

#: Seconds after which a message comes back when its provider has no thread left: from, to.
CROWDED = (0.05, 0.15)


@shared_task(name="tasks.poll", bind=True, log_fields=("order", "seq", "account"))
def poll(self: Task, order_id: str, seq: int, account: str) -> None:
    """Ask once about an order. `seq` is the fence: any other message of the order is stale and asks nothing."""
    context = self.app.willcall
    with self.app.bulkhead.place(account.partition("/")[0]) as room:
        again = poll_once(context, order_id, seq, account) if room else None
    if not room:
        again = Message(order_id, seq, uniform(*CROWDED), token=True), 0.0  # noqa: S311 - spreads load
    if again:
        message, now = again
        context.sender.send_polls(account, [message], now)
