"""Send the messages that make a worker deliver an event to a backend."""

from willcall.orders.model import Order
from willcall.orders.urls import callback_host
from willcall.stores.deliveries import DeliveryMessage
from willcall.usecases.context import Context


def delivery_host(context: Context, order: Order) -> str | None:
    """Return the host that events of an order are sent to now, `None` if they are sent nowhere.

    It is empty if the order's client, whose configuration would name it, is not configured.
    """
    url = context.settings.callback_url(order.client, order.callback_url)
    return None if url is None else callback_host(url)


def send_delivery(context: Context, message: DeliveryMessage, countdown: float = 0.0) -> None:
    """Send a delivery message, to run in `countdown` seconds."""
    args = [message.subject, message.event_id, message.number, message.host]
    context.sender.send_task("tasks.notify", args, countdown)
