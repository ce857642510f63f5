"""Tiqets' order change notification: it names an order, unsigned, and nothing of it is believed.

https://developers.tiqets.dev/basics/openapi/webhooks/order-change-notification
"""

import math

from willcall.http.messages import Response
from willcall.orders.outcomes import Malformed
from willcall.orders.pushes import ChangePush, OrderProgress
from willcall.providers.credentials import Credentials
from willcall.providers.pushes import ParsedPush, PushReading, PushRequest, PushResponse, UnreadablePush
from willcall.providers.reading import as_text, read_object


class TiqetsPushes:
    """Reads which order changed."""

    #: The documented notification has some 200 bytes.
    max_bytes: int | None = 64 * 1024

    def read_push(self, request: PushRequest, _credentials: Credentials, /) -> PushReading:
        """A hint to poll the order at once."""
        body = read_object(Response(200, {}, request.body, received_at=math.nan))
        reference = None if isinstance(body, Malformed) else as_text(body.get("order_reference_id"))
        if reference is None:
            return UnreadablePush("no order_reference_id in the notification")
        return ParsedPush(reference, "order change notification", ChangePush())

    def answer_push(self, _reading: PushReading, _progress: OrderProgress, _: Credentials, /) -> PushResponse:
        """200 without a body, also where the order is unknown: calling again would not change that.

        Anything but 200 is repeated after 1, 2, 4 and 8 minutes, then reported by e-mail.
        """
        return PushResponse(200)
