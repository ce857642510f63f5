"""Send the messages that make a worker deliver an event to a backend."""

from willcall.orders.model import Order
from willcall.orders.urls import callback_host
from willcall.stores.deliveries import DeliveryMessage
from willcall.usecases.context import Context

#: The number of an event's first message.
FIRST = 1


def send_first_delivery(context: Context, order: Order, event_id: str) -> None:
    """Send the first message of an event that was just committed, if the order has a callback URL."""
    if order.callback_url:
        send_delivery(context, DeliveryMessage(order.id, event_id, FIRST, callback_host(order.callback_url)))


def send_delivery(context: Context, message: DeliveryMessage, countdown: float = 0.0) -> None:
    """Send a delivery message, to run in `countdown` seconds."""
    args = [message.subject, message.event_id, message.number, message.host]
    context.sender.send_task("tasks.notify", args, countdown)
