"""Update Order: reports to Tixstock how an order ended here.

The partner has to keep the status of its orders there up to date.

https://pf-api-documentation.tixstock.com/v1/endpoints/order/update
"""

import json
from collections.abc import Mapping

from willcall.http.messages import Request, Response
from willcall.orders.model import Status
from willcall.orders.outcomes import Outcome
from willcall.providers.path_segments import path_segment
from willcall.providers.reports import OrderEnd
from willcall.providers.tixstock.pushes import REPORT_WORDS, TixstockCredentials
from willcall.providers.tixstock.responses import SUCCESS, read_body

#: The word for a complete order if that of our responses to webhooks, such as `Delivered`, is not allowed here.
_COMPLETE = "Approved"


class TixstockReports:
    """Reports completed and expired orders of accounts with `tell`."""

    def report_word(self, end: OrderEnd, credentials: TixstockCredentials, /) -> str | None:
        """Return a word that the endpoint allows. Others, such as `Delivered`, become `Approved`."""
        words = credentials.answers
        if not credentials.tell or end.status not in {Status.FULFILLED, Status.EXPIRED}:
            return None
        if end.status is Status.EXPIRED:
            return words.expired
        word = words.paper if end.shipped else words.complete
        return word if word.strip().lower() in REPORT_WORDS else _COMPLETE

    def report_request(
        self, end: OrderEnd, word: str, credentials: TixstockCredentials, _token: str | None, /
    ) -> Request:
        """Build `POST {base_url}/orders/update/<order id>`. That the body is JSON is inferred."""
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {credentials.bearer_token[0].get_secret_value()}",
        }
        url = f"{credentials.base_url}/orders/update/{path_segment(end.reference)}"
        return Request("POST", url, headers=headers, body=json.dumps({"order_status": word}).encode())

    def read_report(self, response: Response, /) -> Outcome | None:
        """Return why it was not taken. The order in a successful response, whatever its status, means that it was."""
        if response.status in SUCCESS and not response.body.strip():
            return None
        body = read_body(response)
        return None if isinstance(body, Mapping) else body
