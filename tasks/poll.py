"""`tasks.poll`: one attempt, which reschedules itself."""

from random import uniform
from typing import Any

from celery import Task, shared_task

from tasks.queues import poll_priority, poll_queue
from willcall.stores.orders import Message
from willcall.usecases.poll_once import poll_once

#: Seconds after which a message comes back when its provider has no thread left: from, to.
CROWDED = (0.05, 0.15)


@shared_task(name="tasks.poll", bind=True)
def poll(self: Task, order_id: str, seq: int, account: str) -> None:
    """Ask once about an order. `seq` is the fence: any other message of the order is stale and asks nothing."""
    with self.app.bulkhead.place(account.partition("/")[0]) as room:
        again = poll_once(self.app.willcall, order_id, seq, account) if room else None
    if not room:
        again = Message(order_id, seq, uniform(*CROWDED), token=True), 0.0  # noqa: S311 - spreads load
    if again:
        message, now = again
        self.apply_async(**poll_options(message, account, now))


def poll_options(message: Message, account: str, now: float) -> dict[str, Any]:
    """How a poll message is sent: what Celery's `apply_async` takes. `now` is the clock that `due` is meant by.

    The task's id tells which attempt of which order it is. What Celery would work out anew for each message is
    given: how its arguments are shown, and that its queue needs no declaration (whoever consumes from it does that).
    """
    args = (message.order_id, message.seq, account)
    return {
        "args": args,
        "countdown": max(0.0, message.due - now),
        "task_id": f"{message.order_id}:{message.seq}",
        "queue": poll_queue(account),
        "priority": poll_priority(message),
        "argsrepr": repr(args),
        "kwargsrepr": "{}",
        "declare": [],
    }
