"""`tasks.notify`: one attempt to deliver an event to a backend, which reschedules itself."""

from celery import Task, shared_task

from willcall.stores.deliveries import DeliveryMessage
from willcall.usecases.deliveries import send_delivery
from willcall.usecases.notify import notify_once, postpone_delivery


@shared_task(name="tasks.notify", bind=True, log_fields=("order", "event_id", "number", "host"))
def notify(self: Task, order_id: str, event_id: str, number: int, host: str) -> None:
    """Deliver one event. `number` is the fence: any other message about the order is stale and does nothing."""
    context, message = self.app.willcall, DeliveryMessage(order_id, event_id, number, host)
    with self.app.host_limits.slot(host) as wait:
        again = postpone_delivery(context.stores.deliveries, message, wait) if wait else notify_once(context, message)
    if again:
        send_delivery(context, *again)
