"""What Redis holds after a run."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from bench.chaos.follower import read_events
from bench.chaos.history import Alert, Ended, SeenEvent, Settled
from cli.stage import Stage
from willcall.stores.documents import StorageError, UnknownDocumentError

if TYPE_CHECKING:
    from redis import Redis

    from willcall.orders.model import Attempt, Order

#: More events for operators than are kept.
_ALERTS = 10_000
#: The product's own keys, and those of kombu and Celery that hold no task: bindings, who consumes from what, the bell
#: that wakes a worker, remote control and its answers, task events.
_STATE = "willcall:"
_TO_DO = tuple(_STATE + name for name in ("undelivered", "fetches", "inbox"))
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
    """Orders in the indexes of what is to be done, by key: asked about, told of, fetched for, given their pushes."""
    keys = [*redis.scan_iter(f"{_STATE}due:*", count=1_000), *redis.scan_iter(f"{_STATE}held:*", count=1_000), *_TO_DO]
    return {key: count for key in sorted(keys) if (count := _size(redis, key))}


def chores_left(redis: "Redis") -> bool:
    """Whether backends are still to be told, documents to be fetched, or pushes to be given to their orders."""
    return any(_size(redis, key) for key in _TO_DO)


def orders_after(stage: Stage, order_ids: Iterable[str]) -> dict[str, Ended]:
    """The orders that there are, with their timelines."""
    return {order.id: _ended(stage, order) for order in stage.context.stores.orders.get_many(list(order_ids)) if order}


def whole_stream(redis: "Redis") -> tuple[SeenEvent, ...]:
    """Every event, oldest first."""
    events: list[SeenEvent] = []
    while page := read_events(redis, events[-1].cursor if events else None):
        events += page
    return tuple(events)


def alerts(stage: Stage) -> tuple[Alert, ...]:
    """What operators are told of accounts, oldest first."""
    events = reversed(stage.context.stores.ops.recent(_ALERTS))
    return tuple(
        Alert(event.id, event.subject, event.data["was"], event.data["health"])
        for event in events
        if event.type != "order.attention"
    )


def _ended(stage: Stage, order: "Order") -> Ended:
    timeline = stage.context.stores.orders.timeline(order.id)
    polls = [line for line in timeline if not is_push(line)]
    documents = [ticket.document for ticket in order.tickets if ticket.kind == "pdf"]
    return Ended(
        order.status.value,
        order.deadline_at,
        tuple(Settled(line.at, line.outcome, line.late) for line in polls),
        pushed=tuple(line.at for line in timeline if is_push(line)),
        unkept=sum(document is None or not _is_kept(stage, document) for document in documents),
    )


def is_push(line: "Attempt") -> bool:
    """Whether a line tells of a push: no request of ours, and its kind, which Tixstock calls `order.something`."""
    return line.http_status is None and line.why.startswith("order.")


def _is_kept(stage: Stage, document: str) -> bool:
    try:
        return stage.context.documents.read(document).startswith(b"%PDF-")
    except (UnknownDocumentError, StorageError):
        return False


def _size(redis: "Redis", key: str) -> int:
    match redis.type(key):
        case "list":
            return redis.llen(key)
        case "zset":
            return redis.zcard(key)
        case "hash":
            return redis.hlen(key)
    return 0
