"""The interface of providers at which a backend can create an order, sans I/O."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from willcall.http.messages import Request, Response


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
