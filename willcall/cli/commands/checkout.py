"""`willcall checkout`."""

from typing import Annotated, Any

import typer

from willcall.cli.actor import command_line_actor
from willcall.cli.context import open_context
from willcall.cli.output.console import print_json
from willcall.orders.serialization import order_schema
from willcall.schemas.orders import Checkout
from willcall.usecases.checkouts import create_checkout
from willcall.usecases.orders import get_order


def checkout(
    *,
    provider: Annotated[str, typer.Option(help="The provider at which the order is created.")],
    order_id: Annotated[str, typer.Option("--id", metavar="ID", help="Your own id of the order.")],
    cart: Annotated[str, typer.Option(help="The cart to check out.")],
    payment: Annotated[int, typer.Option(help="The payment method, as the provider numbers it.")],
    redirect_url: Annotated[str, typer.Option(metavar="URL", help="Where the customer goes after the payment.")],
    account: Annotated[str, typer.Option(help="The account at the provider.")] = "default",
    quantity: Annotated[int | None, typer.Option(help="How many tickets are bought.")] = None,
    callback_url: Annotated[str | None, typer.Option(metavar="URL", help="Where to send events.")] = None,
    email: Annotated[str | None, typer.Option(help="The customer's email address.")] = None,
    firstname: Annotated[str | None, typer.Option(help="The customer's first name.")] = None,
    lastname: Annotated[str | None, typer.Option(help="The customer's last name.")] = None,
    phone: Annotated[str | None, typer.Option(help="The customer's phone number.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Create an order at its provider, submit it, and print where the customer pays.

    It may be repeated with the same content. The exit code is 1 if the order was not created.
    """
    order: dict[str, Any] = {"id": order_id, "quantity": quantity, "callback_url": callback_url}
    customer = {"email": email, "firstname": firstname, "lastname": lastname, "phone": phone}
    payload: dict[str, Any] = {
        "provider": provider,
        "account": account,
        "cart_id": cart,
        "payment_id": payment,
        "redirect_url": redirect_url,
        "order": {name: value for name, value in order.items() if value is not None},
        **{name: value for name, value in customer.items() if value is not None},
    }
    context = open_context()
    result = create_checkout(context, payload, command_line_actor())
    if as_json:
        shown = Checkout(order=order_schema(get_order(context, order_id)), payment_url=result.payment_url)
        print_json(shown.to_json())
    else:
        typer.echo(f"Order {order_id} is created. The customer pays at {result.payment_url}")
