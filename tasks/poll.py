"""`tasks.poll`: one attempt, which reschedules itself."""

from celery import Task, shared_task

from tasks.queues import poll_queue
from willcall.usecases.poll_once import poll_once, postpone_poll


@shared_task(name="tasks.poll", bind=True, log_fields=("order", "seq", "account"))
def poll(self: Task, order_id: str, seq: int, account: str) -> int | None:
    """Ask once about an order. `seq` is the fence: any other message of the order is stale and asks nothing.

    Returns which attempt it was, for Flower; None where it was none.
    """
    context = self.app.willcall
    with self.app.bulkhead.slot(poll_queue(account)) as wait:
        polled = postpone_poll(context, order_id, seq, wait) if wait else poll_once(context, order_id, seq, account)
    if polled.next_message:
        message, now = polled.next_message
        context.sender.send_polls(account, [message], now)
    return polled.attempt
