"""The limit: threads that do nothing but GET, with a session each. `python -m bench.performance.loop`.

Prints how many requests it made in its window, and the CPU seconds they took, as JSON.
"""

import argparse
import json
import os
import sys
import time
from itertools import count
from threading import Event, Thread

from bench.performance.plain import ORDERS, session


def ask(thread: int, threads: int, orders: int, stop: Event, done: list[int]) -> None:
    """GET the orders whose number is the thread's own, round and round."""
    mine = range(thread, orders, threads)
    for turn in count():
        if stop.is_set():
            return
        reference = 1_000_000 + mine[turn % len(mine)]
        answer = session().get(f"{os.environ[ORDERS]}/{reference}/tickets", params={"lang": "en"}, timeout=(3, 10))
        answer.json()
        done[thread] += 1


def main() -> None:
    """Run the threads, and measure them once they are warm."""
    parser = argparse.ArgumentParser(prog="python -m bench.performance.loop")
    for name in ("threads", "orders"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("warm-up", "window"):
        parser.add_argument(f"--{name}", type=float, required=True)
    given = parser.parse_args()
    stop, done = Event(), [0] * given.threads
    threads = [
        Thread(target=ask, args=(number, given.threads, given.orders, stop, done)) for number in range(given.threads)
    ]
    for thread in threads:
        thread.start()
    time.sleep(given.warm_up)
    before, start, used = sum(done), time.monotonic(), time.process_time()
    time.sleep(given.window)
    measured = {
        "polls": sum(done) - before,
        "seconds": time.monotonic() - start,
        "cpu": time.process_time() - used,
    }
    stop.set()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main()
