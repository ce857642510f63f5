"""`tasks.notify`: one try to tell a backend of an event, which reschedules itself."""

from celery import Task, shared_task

from willcall.stores.deliveries import DeliveryMessage
from willcall.usecases.deliveries import send_delivery
from willcall.usecases.notify import notify_once, postpone_delivery


@shared_task(name="tasks.notify", bind=True, log_fields=("order", "event_id", "number", "host"))
def notify(self: Task, order_id: str, event_id: str, number: int, host: str) -> None:
    """Tell of one event. `number` is the fence: any other message about the order is stale and tells nothing."""
    context, notice = self.app.willcall, DeliveryMessage(order_id, event_id, number, host)
    with self.app.host_limits.slot(host) as wait:
        again = postpone_delivery(context.stores.deliveries, notice, wait) if wait else notify_once(context, notice)
    if again:
        send_delivery(context, *again)
