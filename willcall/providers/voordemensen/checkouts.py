"""Create an order from a cart: the customer pays at the address in the response and comes back.

https://vdm-docs.pages.dev/api/public/order
"""

import json

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Malformed
from willcall.providers.checkouts import Checkout, CreatedOrder
from willcall.providers.path_segments import check_reference_segment, path_segment
from willcall.providers.reading import as_object, as_text, as_web_url, read_json
from willcall.providers.voordemensen.credentials import VoordemensenCredentials


class VoordemensenCheckouts:
    """`POST /<client_name>/order/create`."""

    def create_request(self, checkout: Checkout, credentials: VoordemensenCredentials, /) -> Request:
        """Return the request, with the fields that the customer has given."""
        body = {
            "cart_id": checkout.cart_id,
            "payment_id": checkout.payment_id,
            "redirectURL": checkout.return_url,
            **checkout.customer,
            **checkout.consents,
        }
        url = f"{credentials.base_url}/{path_segment(credentials.client_name)}/order/create"
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        return Request("POST", url, headers=headers, body=json.dumps(body).encode())

    def read_created(self, response: Response, /) -> CreatedOrder | None:
        """Return the order in a list of one, as documented, or in an object."""
        body = read_json(response)
        created = {} if isinstance(body, Malformed) else as_object(body)
        key, address = as_text(created.get("order_key")), as_web_url(created.get("url"))
        try:
            return CreatedOrder(check_reference_segment("order_key", key or ""), address) if address else None
        except ValueError:
            return None
