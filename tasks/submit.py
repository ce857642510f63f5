"""`tasks.submit`: take an order from any Celery app on the same broker."""

from typing import Any
from uuid import NAMESPACE_OID, uuid5

from celery import Task, shared_task
from celery.exceptions import Reject
from celery.worker.request import Request
from kombu.exceptions import OperationalError
from structlog.contextvars import bind_contextvars

from willcall.orders.errors import FieldError, RejectedOrderError, WillcallError
from willcall.stores.connection import StoreError
from willcall.stores.dead_letters import DeadLetterReason
from willcall.usecases.submit import submit as submit_order

#: Seconds after which an order that could not be written is submitted again.
AGAIN = 5.0

#: What of an order may be shown, where it is of its type: no reference, address or metadata.
SHOWN = {"id": str, "provider": str, "account": str, "quantity": int}
#: Characters of the longest of these, an id.
LONGEST = 128


class Submission(Request):
    """The message of a submission. Until the task has stored the order, it exists nowhere else.

    - It never expires, however late the workers are: the tickets were bought.
    - Its arguments stay out of events, logs and inspection, because a reference may be enough to fetch tickets.
    """

    def __init__(
        self, message: Any, *, headers: Any = None, body: Any = None, decoded: bool = False, **options: Any
    ) -> None:
        """Replace what the sender put into some headers."""
        _, kwargs, _ = body if decoded else message.payload
        ours = {"argsrepr": "()", "kwargsrepr": repr(_shown(kwargs)), "expires": None}
        theirs = message.headers if headers is None else headers
        super().__init__(message, headers={**theirs, **ours}, body=body, decoded=decoded, **options)

    def info(self, **_: Any) -> Any:
        """Return what `celery inspect` and Flower's page of a worker show."""
        return super().info(safe=True)

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        """Fail the task. A message that made it fail by a mistake of ours becomes a dead letter: no order is lost."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)  # Celery wraps it to carry its traceback along
        if not isinstance(error, (WillcallError, Reject)):
            try:
                self.task.app.store_dead_letter(self.message, DeadLetterReason.FAILED)
            except StoreError:
                return self.reject(requeue=True)
        return super().on_failure(exc_info, *args, **options)


def _shown(payload: Any) -> dict[str, Any]:
    """The few fields of a payload that may be shown."""
    given = payload if isinstance(payload, dict) else {}
    shown = {name: given[name] for name, kind in SHOWN.items() if isinstance(given.get(name), kind)}
    return {name: value for name, value in shown.items() if len(str(value)) <= LONGEST}


@shared_task(name="tasks.submit", bind=True, Request=Submission)
def submit(self: Task, *args: Any, **payload: Any) -> str:
    """File one order (`SubmitOrder` as keyword arguments) and return its id.

    A bad payload fails the task with everything that is wrong with it; see `Submission` for what else fails. While
    Redis is away the order exists in this message alone, so it is sent again, or stays in the broker where that is away
    too. Without an id the order gets one that follows from the task's, so that a message which comes twice makes one
    order.
    """
    if args:
        raise RejectedOrderError([FieldError("args", "must be empty: send the order's fields as kwargs")])
    payload.setdefault("id", f"ord_{uuid5(NAMESPACE_OID, self.request.id).hex}")
    shown = {"account": "default"} | _shown(payload)
    provider = shown.get("provider")
    bind_contextvars(order=shown.get("id"), provider=provider, account=f"{provider}/{shown['account']}")
    try:
        return submit_order(self.app.willcall, payload).order_id
    except StoreError:
        order_id: str = payload["id"]
    try:
        self.apply_async(kwargs=payload, task_id=self.request.id, countdown=AGAIN)
    except (OperationalError, StoreError) as error:
        raise Reject(error, requeue=True) from error
    return order_id
