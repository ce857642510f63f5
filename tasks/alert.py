"""`tasks.alert`: one attempt to deliver an event to operators, which reschedules itself."""

from celery import Task, shared_task

from willcall.orders.urls import callback_host
from willcall.stores.deliveries import DeliveryMessage
from willcall.usecases.alerts import TASK, send_alert_delivery
from willcall.usecases.notify import alert_once, postpone_delivery


@shared_task(name=TASK, bind=True, log_fields=("subject", "event_id", "number"))
def alert(self: Task, subject: str, event_id: str, number: int) -> None:
    """Deliver one event. `number` is the fence: any other message about the subject is stale and does nothing."""
    context = self.app.willcall
    message = DeliveryMessage(subject, event_id, number, callback_host(context.settings.notify.ops_url or ""))
    with self.app.host_limits.slot(message.host) as wait:
        again = (
            postpone_delivery(context.stores.ops_deliveries, message, wait) if wait else alert_once(context, message)
        )
    if again:
        send_alert_delivery(context, *again)
