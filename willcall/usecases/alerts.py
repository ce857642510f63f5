"""Events for operators: an account's health has changed, or an order newly needs attention."""

import structlog

from willcall.orders.alerts import attention_alert_data
from willcall.orders.model import Order
from willcall.providers.registry import is_secret_reference
from willcall.stores.deliveries import DeliveryMessage
from willcall.stores.events import new_event_id
from willcall.stores.operator_events import OperatorAlert, account_subject, order_subject
from willcall.usecases.context import Context

log = structlog.get_logger(__name__)

#: The number of an event's first message.
FIRST = 1
#: The task that delivers events to operators.
TASK = "tasks.alert"


def account_alert(context: Context, account_key: str) -> OperatorAlert:
    """Return the alert for a step that may change an account's health."""
    return OperatorAlert(new_event_id(), account_subject(account_key), _has_address(context))


def attention_alert(context: Context, before: Order, after: Order) -> OperatorAlert | None:
    """Return the alert for a step that changes why an order needs attention, or None for any other step."""
    return None if after.attention is before.attention else order_alert(context, after)


def order_alert(context: Context, order: Order) -> OperatorAlert:
    """Return the alert for a step that decides itself whether an order newly needs attention."""
    secret = is_secret_reference(order.provider, order.reference)
    document = attention_alert_data(order, secret_reference=secret)
    return OperatorAlert(new_event_id(), order_subject(order.id), _has_address(context), document)


def send_alert(context: Context, alert: OperatorAlert) -> None:
    """Send the first message of an alert. If the step changed nothing, its task finds nothing to deliver."""
    if alert.send:
        send_alert_delivery(context, DeliveryMessage(alert.subject, alert.id, FIRST, ""))


def send_alert_delivery(context: Context, message: DeliveryMessage, countdown: float = 0.0) -> None:
    """Send a delivery message for operators, to run in `countdown` seconds."""
    context.sender.send_task(TASK, [message.subject, message.event_id, message.number], countdown)


def alert_long_throttle(context: Context, account_key: str) -> bool:
    """Notify operators, once, of an account that has been throttled for long. Returns whether they are notified now."""
    alert = account_alert(context, account_key)
    throttled = context.stores.accounts.alert_long_throttle(account_key, context.settings.notify.throttled_after, alert)
    if throttled:
        log.warning("throttled for long", account=account_key)
        send_alert(context, alert)
    return throttled


def _has_address(context: Context) -> bool:
    return context.settings.notify.ops_url is not None
