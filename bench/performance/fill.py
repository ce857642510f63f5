"""`python -m bench.performance.fill`: orders that have been polled once and now wait, in the shape that polls leave.

For the bench alone: a worker would take minutes for a hundred thousand. Everything is the product's own but the HTTP
exchange, which has its answer ready, and the first message, which is used up here and now.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench.performance.contestants import ACCOUNT
from bench.performance.orders import batches, payloads
from willcall.config import load
from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Malformed, Unavailable
from willcall.providers.base import Account
from willcall.stores.dead_letters import DeadLetter
from willcall.stores.messages import PollMessage
from willcall.usecases.context import Context
from willcall.usecases.poll_once import poll_once
from willcall.usecases.submit import submit_many
from workers.app import create_app

NOT_YET = b'{"success": true, "order_status": "pending", "tickets_pdf_url": null}'


class ReadyAnswer:
    """A provider that has no tickets yet."""

    def exchange(self, account: Account, request: Request) -> Response | Unavailable | Malformed:  # noqa: ARG002 - a port
        """The same answer to every request."""
        return Response(200, {"content-type": "application/json"}, NOT_YET, received_at=time.time())


class NoMessages:
    """A broker to which nothing is sent."""

    def send_polls(self, account: str, messages: list[PollMessage], now: float) -> None:
        """Drop the first polls: they are made here."""

    def send_task(self, name: str, args: Sequence[Any], countdown: float = 0.0) -> None:
        """Drop."""

    def requeue(self, letter: DeadLetter) -> None:
        """Drop."""


def fill(context: Context, numbers: range) -> None:
    """Submit, poll once, send the message of the next poll."""
    for some in batches(payloads(numbers, (0.0, 0.0))):
        submit_many(replace(context, sender=NoMessages()), [{**each, "delivery": "delayed"} for each in some])
        asking = replace(context, http=ReadyAnswer())
        polled = [poll_once(asking, each["id"], 1, ACCOUNT) for each in some]
        context.send_polls(ACCOUNT, [each.next_message[0] for each in polled if each.next_message])


def main() -> None:
    """Fill in some numbers."""
    parser = argparse.ArgumentParser(prog="python -m bench.performance.fill")
    for name in ("first", "count"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    fill(create_app(load()).willcall, range(given.first, given.first + given.count))


if __name__ == "__main__":
    main()
