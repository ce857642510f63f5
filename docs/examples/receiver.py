"""Receive Willcall's callbacks with the standard library, and verify them with `standardwebhooks`.

python receiver.py whsec_... 9000
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

secret, port = sys.argv[1:]
webhook = Webhook(secret)
seen = set()  # a backend stores this in its database, in one transaction with what the event changes


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            webhook.verify(body, {name.lower(): value for name, value in self.headers.items()})
        except WebhookVerificationError:
            self.send_response(401)
            self.end_headers()
            return
        event = json.loads(body)
        if event["id"] not in seen:  # the same event may arrive again
            seen.add(event["id"])
            order = event["data"]
            print(event["type"], order["id"], [ticket["kind"] for ticket in order["tickets"]], flush=True)
        self.send_response(204)  # any 2xx: accepted; Willcall retries after anything else
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


server = ThreadingHTTPServer(("127.0.0.1", int(port)), Receiver)
print(f"listening on http://127.0.0.1:{port}", flush=True)
server.serve_forever()
