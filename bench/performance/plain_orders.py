"""Hand orders to the baseline: `python -m bench.performance.plain_orders --orders N`."""

import argparse

from bench.performance.plain import app, poll


def main() -> None:
    """Send the first poll of each order, due at once."""
    parser = argparse.ArgumentParser(prog="python -m bench.performance.plain_orders")
    parser.add_argument("--orders", type=int, required=True)
    orders = parser.parse_args().orders
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(orders):
            poll.apply_async((f"ord-{number}", str(1_000_000 + number), 1), producer=producer)


if __name__ == "__main__":
    main()
