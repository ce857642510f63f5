"""What Redis holds after a run."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from bench.chaos.follower import read_events
from bench.chaos.history import Ended, SeenEvent, Settled
from cli.stage import Stage

if TYPE_CHECKING:
    from redis import Redis

#: The product's own keys, and those of kombu and Celery that hold no task: bindings, who consumes from what, the bell
#: that wakes a worker, remote control and its answers, task events.
_STATE = "willcall:"
_NO_TASKS = (":bell", ".pidbox", "_mutex")
_NO_TASKS_BEFORE = ("_kombu.", "celeryev", "/")


def messages_left(redis: "Redis") -> dict[str, int]:
    """Messages in the broker by key: queues of any priority, waiting ones, fetched ones."""
    keys = cast("Iterable[str]", redis.scan_iter(count=1_000))
    tasks = [
        key
        for key in keys
        if not key.startswith((_STATE, *_NO_TASKS_BEFORE)) and not key.endswith(_NO_TASKS) and ".pidbox" not in key
    ]
    return {key: count for key in sorted(tasks) if (count := _size(redis, key))}


def orders_left(redis: "Redis") -> dict[str, int]:
    """Orders in the due and held indexes by key."""
    keys = [*redis.scan_iter(f"{_STATE}due:*", count=1_000), *redis.scan_iter(f"{_STATE}held:*", count=1_000)]
    return {key: count for key in sorted(keys) if (count := _size(redis, key))}


def orders_after(stage: Stage, order_ids: Iterable[str]) -> dict[str, Ended]:
    """The orders that there are, with their timelines."""
    store = stage.context.stores.orders
    return {
        order.id: Ended(
            order.status.value,
            order.deadline_at,
            tuple(Settled(attempt.at, attempt.outcome, attempt.late) for attempt in store.timeline(order.id)),
        )
        for order in store.get_many(list(order_ids))
        if order
    }


def whole_stream(redis: "Redis") -> tuple[SeenEvent, ...]:
    """Every event, oldest first."""
    events: list[SeenEvent] = []
    while page := read_events(redis, events[-1].cursor if events else None):
        events += page
    return tuple(events)


def _size(redis: "Redis", key: str) -> int:
    match redis.type(key):
        case "list":
            return redis.llen(key)
        case "zset":
            return redis.zcard(key)
        case "hash":
            return redis.hlen(key)
    return 0
