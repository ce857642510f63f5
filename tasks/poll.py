"""`tasks.poll`: one attempt, which reschedules itself."""

from celery import Task, shared_task

from tasks.queues import poll_queue
from willcall.usecases.poll_once import poll_once, postpone_poll


@shared_task(name="tasks.poll", bind=True, log_fields=("order", "seq", "account"))
def poll(self: Task, order_id: str, seq: int, account: str) -> int | None:
    """Poll an order once. `seq` is the fence: any other message of the order is stale and sends no request.

    Returns the number of the attempt for Flower, or None if there was none.
    """
    context = self.app.willcall
    with self.app.bulkhead.slot(poll_queue(account)) as wait:
        result = postpone_poll(context, order_id, seq, wait) if wait else poll_once(context, order_id, seq, account)
    if result.next_message:
        message, now = result.next_message
        context.sender.send_polls(account, [message], now)
    return result.attempt
