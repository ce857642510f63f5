"""Submit an order with Willcall's client, and wait until it ends.

python submit_with_client.py http://127.0.0.1:8080 KEY
"""

import sys
import time

from willcall_client import Client, ConflictError, RejectedError

url, key = sys.argv[1:]
with Client(url, key) as willcall:
    try:
        order = willcall.submit("tiqets", "2222222", id="cart-42", quantity=2, metadata={"cart": "42"})
    except RejectedError as error:
        sys.exit(f"Willcall rejected the order: {error}")
    except ConflictError as error:
        sys.exit(f"that id belongs to another order: {error}")
    while not order.final:
        print(order.id, order.status, "next poll at", order.next_poll_at)
        time.sleep(2)
        order = willcall.order(order.id)
    print(order.id, order.status)
    for ticket in order.tickets:
        print(ticket.kind, ticket.document or ticket.url or ticket.code)
