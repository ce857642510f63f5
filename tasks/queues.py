"""Which queue a message goes to, and how urgent it is there."""

from dataclasses import dataclass

from willcall.config import Config
from willcall.stores.messages import PollMessage

#: Where any Celery app sends `tasks.submit`. All our queues have this name or begin with it and a dot, so that other
#: Celery apps may share the broker: Celery's default queue, `celery`, is theirs.
SUBMIT = "willcall"
#: Beat's sweeps, so that they never wait behind polls.
SWEEPS = f"{SUBMIT}.sweeps"
#: Events on their way to backends, and files on their way here: neither may wait behind polls, nor hold them up.
NOTIFY, DOCUMENTS = f"{SUBMIT}.notify", f"{SUBMIT}.documents"

#: What waits for its time in RabbitMQ, which keeps it apart from the queues that it is for.
DELAYED = "celery_delayed"

#: The queues of the tasks that are sent by name, beside polls, and how their ids follow from their arguments.
QUEUES = {"tasks.notify": NOTIFY, "tasks.alert": NOTIFY, "tasks.fetch_documents": DOCUMENTS}
TASK_IDS = {
    "tasks.notify": "{0}:{1:.12}:{2}",
    "tasks.alert": "{0}:{1:.12}:{2}",
    "tasks.fetch_documents": "{0}:documents",
}


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many messages of a queue are ready, and how many wait for their time; None where that is told of `DELAYED`.

    `lag`: by how many seconds the next of those that wait is overdue, because no worker moves it.
    """

    ready: int
    waiting: int | None = None
    lag: float | None = None


def poll_queue(account_key: str) -> str:
    """Polls queue per provider, so that a slow one cannot starve the others."""
    return f"{SUBMIT}.poll.{account_key.partition('/')[0]}"


def queue_names(config: Config) -> list[str]:
    """All queues that the configuration needs a worker for."""
    return [SUBMIT, SWEEPS, NOTIFY, DOCUMENTS, *sorted({poll_queue(key) for key in config.accounts})]


#: Message priorities on Redis, where 0 is served first. A poll that comes back at its booked slot overtakes the
#: others: behind a crowd it would miss the slot and have to book another.
AT_ITS_SLOT, ORDINARY = 0, 3


def poll_priority(message: PollMessage) -> int:
    """How urgent a poll message is."""
    return AT_ITS_SLOT if message.has_slot else ORDINARY
