"""Tiqets' order change notification. It is unsigned, so it only makes Willcall poll the order that it names.

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

    #: The documented notification has about 200 bytes.
    max_bytes: int | None = 64 * 1024

    def read_push(self, request: PushRequest, _credentials: Credentials, /) -> PushReading:
        """Return a hint to poll the order immediately."""
        body = read_object(Response(200, {}, request.body, received_at=math.nan))
        reference = None if isinstance(body, Malformed) else as_text(body.get("order_reference_id"))
        if reference is None:
            return UnreadablePush("no order_reference_id in the notification")
        return ParsedPush(reference, "order change notification", ChangePush())

    def answer_push(self, _reading: PushReading, _progress: OrderProgress, _: Credentials, /) -> PushResponse:
        """Return 200 without a body, also for an unknown order: a repeated call would not help.

        Tiqets repeats a call with any other status after 1, 2, 4 and 8 minutes, then reports it by e-mail.
        """
        return PushResponse(200)
