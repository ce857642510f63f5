"""Receive Willcall's callbacks with the standard library, and verify them with Willcall's client.

python receiver.py whsec_... 9000
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from willcall_client import WebhookVerificationError
from willcall_client.webhooks import verify

secret, port = sys.argv[1:]
seen = set()  # a backend stores this in its database, in one transaction with what the event changes


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = verify(body, self.headers.items(), secret)
        except WebhookVerificationError:
            self.send_response(401)
            self.end_headers()
            return
        if event.id not in seen:  # the same event may arrive again
            seen.add(event.id)
            print(event.type, event.data.id, [ticket.kind for ticket in event.data.tickets], flush=True)
        self.send_response(204)  # any 2xx: accepted; Willcall retries after anything else
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


server = ThreadingHTTPServer(("127.0.0.1", int(port)), Receiver)
print(f"listening on http://127.0.0.1:{port}", flush=True)
server.serve_forever()
