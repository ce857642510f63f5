"""`python -m bench.performance.request_loop`: the limit, threads that do nothing but GET, until they are killed."""

import argparse
from itertools import cycle
from threading import Thread

from bench.performance.orders import reference
from bench.performance.plain_celery import get_status


def poll_forever(numbers: range) -> None:
    for number in cycle(numbers):
        get_status(reference(number))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.performance.request_loop")
    for name in ("threads", "orders"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    for number in range(given.threads):
        Thread(target=poll_forever, args=(range(number, given.orders, given.threads),)).start()


if __name__ == "__main__":
    main()
