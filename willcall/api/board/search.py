"""Search by order id or reference."""

from pydantic import TypeAdapter, ValidationError

from willcall.orders.model import Order
from willcall.orders.submission import OrderId
from willcall.usecases.context import Context

_ORDER_ID: TypeAdapter[str] = TypeAdapter(OrderId)


def search(context: Context, text: str) -> list[Order]:
    """Return the order with this id, and the orders with this reference of each account, the latest first."""
    if not text:
        return []
    stores = context.stores
    accounts = sorted({*context.accounts, *stores.orders.accounts()})
    ids = [found for account in accounts for found in stores.orders.find_by_reference(account, text)]
    if _could_be_id(text):
        ids.insert(0, text)
    return [order for order in stores.orders.get_many(list(dict.fromkeys(ids))) if order]


def _could_be_id(text: str) -> bool:
    try:
        _ORDER_ID.validate_python(text)
    except ValidationError:
        return False
    return True
