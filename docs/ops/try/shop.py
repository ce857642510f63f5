"""The shop of the profile `try`: prints the callbacks whose signature is valid."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

secret, port = sys.argv[1:]


class Shop(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = Webhook(secret).verify(body, {name.lower(): value for name, value in self.headers.items()})
        except WebhookVerificationError:
            self.send_response(401)
        else:
            tickets = [ticket["kind"] for ticket in event["data"]["tickets"]]
            sys.stdout.write(f"{event['type']} {event['data']['id']} {tickets}\n")
            sys.stdout.flush()
            self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


ThreadingHTTPServer(("127.0.0.1", int(port)), Shop).serve_forever()
