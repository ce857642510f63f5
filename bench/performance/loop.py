"""`python -m bench.performance.loop`: the limit, threads that do nothing but GET, until they are killed."""

import argparse
from itertools import cycle
from threading import Thread

from bench.performance.orders import reference
from bench.performance.plain import ask


def ask_for_ever(numbers: range) -> None:
    """GET these orders, round and round."""
    for number in cycle(numbers):
        ask(reference(number))


def main() -> None:
    """Give each thread its share of the orders."""
    parser = argparse.ArgumentParser(prog="python -m bench.performance.loop")
    for name in ("threads", "orders"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    for number in range(given.threads):
        Thread(target=ask_for_ever, args=(range(number, given.orders, given.threads),)).start()


if __name__ == "__main__":
    main()
