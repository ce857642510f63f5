"""The contents of Redis after a run."""

from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING, cast

from bench.chaos.event_ledger import read_events
from bench.chaos.history import AccountAlert, CommittedAttempt, FinalOrder, StreamEvent, visible_state
from tasks.queues import SUBMIT
from willcall.devtools.local_deployment import LocalDeployment
from willcall.orders.serialization import order_to_json
from willcall.stores.documents import StorageError, UnknownDocumentError
from willcall.stores.keys import CLAIMS, CLAIMS_INDEX, PREFIX, delayed_messages

if TYPE_CHECKING:
    from redis import Redis

    from willcall.orders.model import Attempt, Order

#: More events for operators than are stored.
_ALERTS = 10_000
_WORK_INDEXES = tuple(PREFIX + name for name in ("undelivered", "fetches", "inbox", "changes"))
#: Prefixes of the lists of queues, and of the replies of remote control, which are not tasks.
_QUEUES, _ANSWERS = (f"{SUBMIT}.", f"{SUBMIT}\x06"), "willcall.reply."


def messages_left(redis: "Redis") -> dict[str, int]:
    """Return the number of messages in the broker by key: queues of any priority, delayed and claimed messages."""
    lists = cast("Iterable[str]", redis.scan_iter(f"{SUBMIT}*", count=1_000, _type="list"))
    ready = [key for key in lists if key == SUBMIT or (key.startswith(_QUEUES) and not key.startswith(_ANSWERS))]
    tasks = [*ready, *redis.scan_iter(delayed_messages("*"), count=1_000), CLAIMS, CLAIMS_INDEX]
    return {key: count for key in sorted(tasks) if (count := _size(redis, key))}


def orders_left(redis: "Redis") -> dict[str, int]:
    """Return the number of orders in the indexes of work to do, by key."""
    keys = [
        *redis.scan_iter(f"{PREFIX}due:*", count=1_000),
        *redis.scan_iter(f"{PREFIX}held:*", count=1_000),
        *_WORK_INDEXES,
    ]
    return {key: count for key in sorted(keys) if (count := _size(redis, key))}


def work_left(redis: "Redis") -> bool:
    """Return whether callbacks, documents or pushes are still to be processed."""
    return any(_size(redis, key) for key in _WORK_INDEXES)


def final_orders(deployment: LocalDeployment, order_ids: Iterable[str]) -> dict[str, FinalOrder]:
    """Return the stored orders with their timelines."""
    return {
        order.id: _ended(deployment, order)
        for order in deployment.context.stores.orders.get_many(list(order_ids))
        if order
    }


def read_stream(redis: "Redis") -> tuple[StreamEvent, ...]:
    """Return all events, oldest first."""
    events: list[StreamEvent] = []
    while page := read_events(redis, events[-1].cursor if events else None):
        events += page
    return tuple(events)


def account_alerts(deployment: LocalDeployment) -> tuple[AccountAlert, ...]:
    """Return the events for operators about accounts, oldest first."""
    events = reversed(deployment.context.stores.ops.recent(_ALERTS))
    return tuple(
        AccountAlert(event.id, event.subject, event.data["was"], event.data["health"])
        for event in events
        if event.type != "order.attention"
    )


def _ended(deployment: LocalDeployment, order: "Order") -> FinalOrder:
    timeline = deployment.context.stores.orders.timeline(order.id)
    polls = [line for line in timeline if not is_push(line)]
    documents = [ticket.document for ticket in order.tickets if ticket.comparison_kind == "pdf"]
    return FinalOrder(
        order.status.value,
        order.deadline_at,
        tuple(CommittedAttempt(line.at, line.outcome, line.late) for line in polls),
        pushed=tuple(line.at for line in timeline if is_push(line)),
        missing_documents=sum(document is None or not _is_stored(deployment, document) for document in documents),
        state=visible_state(order_to_json(order)),
        submitted=order.submitted_at,
        event_at=order.event_at,
    )


def is_push(line: "Attempt") -> bool:
    """Return whether a timeline entry is of a push: no request, and a kind that Tixstock calls `order.something`."""
    return line.http_status is None and line.why.startswith("order.")


def _is_stored(deployment: LocalDeployment, document: str) -> bool:
    known = deployment.context.documents.get(document)
    try:
        return known is not None and sha256(deployment.context.documents.read(document)).hexdigest() == known.sha256
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
