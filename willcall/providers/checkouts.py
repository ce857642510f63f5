"""The interface of providers at which a backend can create an order, sans I/O."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from willcall.http.messages import Request, Response
from willcall.orders.model import Need, Needs
from willcall.orders.outcomes import NotReady

#: Begins the reference of an order that its provider may or may not have created. It is never sent.
_IN_DOUBT = "checkout:"
#: The outcome of each attempt of such an order.
IN_DOUBT = NotReady(
    detail="it is unknown whether the provider created this order",
    needs=Needs(
        Need.APPROVAL,
        detail="It is unknown whether the provider created this order. Look for it there: if it exists, submit its "
        "order key under another id. Then cancel this one.",
    ),
)


@dataclass(frozen=True, slots=True)
class Checkout:
    """What a customer has chosen, and who they are. `return_url` is where they come back after the payment."""

    cart_id: str
    payment_id: int
    return_url: str
    customer: dict[str, str] = field(default_factory=dict, repr=False)
    consents: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreatedOrder:
    """The order that the provider created: its reference, and where the customer pays."""

    reference: str = field(repr=False)
    payment_url: str = field(repr=False)


class Checkouts(Protocol):
    """Creates orders at one provider."""

    def create_request(self, checkout: Checkout, credentials: Any, /) -> Request:
        """Return the request that creates the order."""

    def read_created(self, response: Response, /) -> CreatedOrder | None:
        """Return the order, or `None` if the response does not say which. Never raises."""


def in_doubt(order_id: str) -> str:
    """Return the reference of a checkout's order while it is unknown whether its provider created it."""
    return f"{_IN_DOUBT}{order_id}"


def is_in_doubt(reference: str) -> bool:
    """Return whether it is unknown if the provider created the order of a reference."""
    return reference.startswith(_IN_DOUBT)
