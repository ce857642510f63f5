"""What operators are told: accounts that are unwell or well again, orders that newly need attention."""

import structlog

from willcall.orders.alerts import attention_alert_data
from willcall.orders.model import Order
from willcall.providers.registry import ADAPTERS
from willcall.stores.deliveries import DeliveryMessage
from willcall.stores.events import new_event_id
from willcall.stores.operator_events import OperatorAlert, account_subject, order_subject
from willcall.usecases.context import Context

log = structlog.get_logger(__name__)

#: The task that tells operators, and the number of an event's first message.
TASK, FIRST = "tasks.alert", 1


def account_alert(context: Context, account_key: str) -> OperatorAlert:
    """The event of a change of an account's health, for a step that may make one."""
    return OperatorAlert(new_event_id(), account_subject(account_key), _send(context))


def attention_alert(context: Context, before: Order, after: Order) -> OperatorAlert | None:
    """The event of an order that may newly need attention; None where that stays as it was."""
    return None if after.attention is before.attention else order_alert(context, after)


def order_alert(context: Context, order: Order) -> OperatorAlert:
    """The event of an order that newly needs attention, for a step that decides whether it does."""
    adapter = ADAPTERS.get(order.provider)
    secret = adapter is None or adapter.reference_is_secret(order.reference)
    document = attention_alert_data(order, secret_reference=secret)
    return OperatorAlert(new_event_id(), order_subject(order.id), _send(context), document)


def send_alert(context: Context, alert: OperatorAlert) -> None:
    """Send the first message about an event; it finds nothing to do where the step made no change."""
    if alert.send:
        send_alert_delivery(context, DeliveryMessage(alert.subject, alert.id, FIRST, ""))


def send_alert_delivery(context: Context, notice: DeliveryMessage, countdown: float = 0.0) -> None:
    """Send a message that tells a worker to tell operators, in `countdown` seconds."""
    context.sender.send_task(TASK, [notice.subject, notice.event_id, notice.number], countdown)


def alert_long_throttle(context: Context, account_key: str) -> bool:
    """Tell operators, once, of an account that has been throttled for long; whether they are told now."""
    alert = account_alert(context, account_key)
    throttled = context.stores.accounts.watch(account_key, context.settings.notify.throttled_after, alert)
    if throttled:
        log.warning("throttled for long", account=account_key)
        send_alert(context, alert)
    return throttled


def _send(context: Context) -> bool:
    return context.settings.notify.ops_url is not None
