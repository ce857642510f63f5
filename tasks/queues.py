"""The queue and the priority of each message."""

from dataclasses import dataclass

from willcall.config import Config
from willcall.stores.messages import PollMessage

#: Where any Celery app sends `tasks.submit`. All queues of Willcall have this name, or begin with it and a dot, so that
#: other Celery apps can share the broker. They use Celery's default queue, `celery`.
SUBMIT = "willcall"
#: The sweeps, so that they never wait behind polls.
SWEEPS = f"{SUBMIT}.sweeps"
#: Callbacks and downloads. They neither wait behind polls nor delay them.
NOTIFY, DOCUMENTS = f"{SUBMIT}.notify", f"{SUBMIT}.documents"

#: The delayed messages of all queues on RabbitMQ, which stores them apart.
DELAYED = "celery_delayed"

#: Queue and task id of each task other than polls that is sent by name. The id is built from the arguments.
QUEUES = {"tasks.notify": NOTIFY, "tasks.alert": NOTIFY, "tasks.fetch_documents": DOCUMENTS}
TASK_IDS = {
    "tasks.notify": "{0}:{1:.12}:{2}",
    "tasks.alert": "{0}:{1:.12}:{2}",
    "tasks.fetch_documents": "{0}:documents",
}


@dataclass(frozen=True, slots=True)
class QueueBacklog:
    """How many messages of a queue are ready and how many are delayed (None on RabbitMQ, see `DELAYED`).

    `lag`: by how many seconds the next delayed message is overdue, because no worker moves it.
    """

    ready: int
    waiting: int | None = None
    lag: float | None = None


def poll_queue(account_key: str) -> str:
    """Return the queue of an account's polls: one per provider, so that a slow one cannot starve the others."""
    return f"{SUBMIT}.poll.{account_key.partition('/')[0]}"


def queue_names(config: Config) -> list[str]:
    """Return all queues that the configuration needs workers for."""
    return [SUBMIT, SWEEPS, NOTIFY, DOCUMENTS, *sorted({poll_queue(key) for key in config.accounts})]


#: Message priorities on Redis, where 0 is served first. A poll that returns at its booked slot overtakes the others:
#: otherwise it would miss the slot and have to book another.
AT_ITS_SLOT, ORDINARY = 0, 3


def poll_priority(message: PollMessage) -> int:
    return AT_ITS_SLOT if message.has_slot else ORDINARY
