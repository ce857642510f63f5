"""Forward Willcall's ops events to PagerDuty.

python pager.py whsec_... 9001 https://events.pagerduty.com/v2/enqueue <routing key>
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

from standardwebhooks import Webhook, WebhookVerificationError

secret, port, pager, routing_key = sys.argv[1:]
webhook = Webhook(secret)


def page(event: dict) -> None:
    """Raise where the pager does not take it, so that Willcall gets no answer and tries again."""
    data = event["data"]
    account = f"{data['provider']}/{data['account']}"
    if event["type"] == "order.attention":
        summary = f"Order {data['id']} of {account} needs attention: {data['why']}"
    else:
        summary = f"{account} is {data['health']} ({data['why']}), {data['orders_waiting']} orders wait"
    payload = {
        "routing_key": routing_key,
        "event_action": "resolve" if event["type"] == "account.ok" else "trigger",
        "dedup_key": event["subject"],
        "payload": {"summary": summary, "source": "willcall", "severity": "critical", "custom_details": data},
    }
    headers = {"Content-Type": "application/json"}
    urlopen(Request(pager, json.dumps(payload).encode(), headers), timeout=10).close()  # noqa: S310 - https, as given


class PagerForwarder(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            webhook.verify(body, {name.lower(): value for name, value in self.headers.items()})
        except WebhookVerificationError:
            self.send_response(401)
            self.end_headers()
            return
        page(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


server = ThreadingHTTPServer(("127.0.0.1", int(port)), PagerForwarder)
print(f"listening on http://127.0.0.1:{port}", flush=True)
server.serve_forever()
