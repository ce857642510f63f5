"""The orders of the bench: their ids, due times and batches."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

#: Orders in a batch.
BATCH = 1_000
#: Seconds until the next poll of an order that only waits.
LONG = 7_200.0


def order_id(number: int) -> str:
    return f"ord-{number:06}"


def reference(number: int) -> str:
    return str(1_000_000 + number)


def countdowns(numbers: range, between: tuple[float, float]) -> dict[int, float]:
    """Return the seconds until the first poll of each order, spread evenly."""
    soonest, latest = between
    step = (latest - soonest) / len(numbers)
    return {number: soonest + index * step for index, number in enumerate(numbers)}


def payloads(numbers: range, between: tuple[float, float]) -> list[dict[str, str]]:
    """Return the payloads of orders; without a countdown they are due at once."""
    now = time.time()
    due = {
        number: {"not_before": datetime.fromtimestamp(now + countdown, UTC).isoformat()} if countdown else {}
        for number, countdown in countdowns(numbers, between).items()
    }
    return [
        {"id": order_id(number), "provider": "tiqets", "reference": reference(number), **extra}
        for number, extra in due.items()
    ]


def batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
