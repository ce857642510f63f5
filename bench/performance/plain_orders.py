"""`python -m bench.performance.plain_orders`: hand orders to the baseline; prints the seconds that it took.

An order is one HSET of its state and the message of its first poll.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bench.performance.orders import batches, countdowns, order_id, reference
from bench.performance.plain import app, poll, redis, state_key

if TYPE_CHECKING:
    from kombu.messaging import Producer


def one_by_one(due: Mapping[int, float], producer: "Producer") -> None:
    """Each order for itself, as in a web request."""
    for number, countdown in due.items():
        redis().hset(state_key(order_id(number)), "status", "pending")
        send(number, countdown, producer)


def in_batches(due: Mapping[int, float], producer: "Producer") -> None:
    """Many at a time: their states in one pipeline, their messages in another, which is kombu's."""
    for batch in batches(list(due)):
        with redis().pipeline(transaction=False) as pipeline:
            for number in batch:
                pipeline.hset(state_key(order_id(number)), "status", "pending")
            pipeline.execute()
        with producer.batch(max_size=len(batch)):
            for number in batch:
                send(number, due[number], producer)


def send(number: int, countdown: float, producer: "Producer") -> None:
    """The message of an order's first poll."""
    arguments = (order_id(number), reference(number), time.time() + countdown)
    poll.apply_async(arguments, countdown=countdown or None, producer=producer, retry=False)


def main() -> None:
    """Hand in, and tell how long it took."""
    parser = argparse.ArgumentParser(prog="python -m bench.performance.plain_orders")
    for name in ("first", "count"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("from", "to"):
        parser.add_argument(f"--{name}", type=float, default=0.0, dest=name + "_", help="countdown, seconds")
    parser.add_argument("--batch", action="store_true")
    given = parser.parse_args()
    due = countdowns(range(given.first, given.first + given.count), (given.from_, given.to_))
    hand_in = in_batches if given.batch else one_by_one
    with app.producer_pool.acquire(block=True) as producer:
        producer.connection.ensure_connection()
        redis().ping()  # the connections are open
        started = time.perf_counter()
        hand_in(due, producer)
        sys.stdout.write(f"{time.perf_counter() - started}\n")


if __name__ == "__main__":
    main()
