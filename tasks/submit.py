"""`tasks.submit`: accept an order from any Celery app on the same broker."""

from typing import Any

from celery import Task, shared_task
from celery.exceptions import Reject
from celery.worker.request import Request
from kombu.exceptions import OperationalError
from structlog.contextvars import bind_contextvars

from willcall.orders.errors import FieldError, RejectedOrderError, WillcallError
from willcall.orders.submission import id_from_task
from willcall.stores.connection import StoreError
from willcall.stores.dead_letters import DeadLetterReason
from willcall.usecases.submit import submit as submit_order

#: Seconds after which an order that could not be stored is submitted again.
RETRY_DELAY = 5.0

#: The fields that may be shown, if their types are right: no reference, URL or metadata.
SAFE_FIELDS = {"id": str, "provider": str, "account": str, "client": str, "quantity": int}
#: The longest value of these fields, an id.
MAX_LENGTH = 128


class SubmissionRequest(Request):
    """The message of a submission. Until the task has stored the order, it exists nowhere else.

    - It never expires, however late the workers are: the tickets were bought.
    - Its arguments stay out of events, logs and inspection, because a reference may be enough to fetch tickets.
    """

    def __init__(
        self, message: Any, *, headers: Any = None, body: Any = None, decoded: bool = False, **options: Any
    ) -> None:
        """Replace what the sender put into some headers."""
        _, kwargs, _ = body if decoded else message.payload
        ours = {"argsrepr": "()", "kwargsrepr": repr(_safe_fields(kwargs)), "expires": None}
        theirs = message.headers if headers is None else headers
        super().__init__(message, headers={**theirs, **ours}, body=body, decoded=decoded, **options)

    def info(self, **_: Any) -> Any:
        """Return what `celery inspect` and Flower's page of a worker show."""
        return super().info(safe=True)

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        """Fail the task. If a bug made it fail, the message becomes a dead letter, so that no order is lost."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)  # Celery wraps the exception with its traceback
        if not isinstance(error, (WillcallError, Reject)):
            try:
                self.task.app.store_dead_letter(self.message, DeadLetterReason.FAILED)
            except StoreError:
                return self.reject(requeue=True)
        return super().on_failure(exc_info, *args, **options)


def _safe_fields(payload: Any) -> dict[str, Any]:
    """Return the fields of a payload that may be shown."""
    given = payload if isinstance(payload, dict) else {}
    shown = {name: given[name] for name, kind in SAFE_FIELDS.items() if isinstance(given.get(name), kind)}
    return {name: value for name, value in shown.items() if len(str(value)) <= MAX_LENGTH}


@shared_task(name="tasks.submit", bind=True, Request=SubmissionRequest)
def submit(self: Task, *args: Any, **payload: Any) -> str:
    """Store one order (`SubmitOrder` as keyword arguments) and return its id.

    An invalid payload fails the task with all its errors. While Redis is unavailable, the order exists only in this
    message, so it is sent again, or stays in the broker if that is unavailable too. An order without an id gets one
    derived from the task's id, so that a redelivered message makes no second order.
    """
    if args:
        raise RejectedOrderError([FieldError("args", "must be empty: send the order's fields as kwargs")])
    payload.setdefault("id", id_from_task(self.request.id))
    shown = {"account": "default"} | _safe_fields(payload)
    provider = shown.get("provider")
    bind_contextvars(order=shown.get("id"), provider=provider, account=f"{provider}/{shown['account']}")
    try:
        return submit_order(self.app.willcall, payload).order_id
    except StoreError:
        order_id: str = payload["id"]
    try:
        shown_arguments = {"argsrepr": "()", "kwargsrepr": repr(_safe_fields(payload))}
        self.apply_async(kwargs=payload, task_id=self.request.id, countdown=RETRY_DELAY, **shown_arguments)
    except (OperationalError, StoreError) as error:
        raise Reject(error, requeue=True) from error
    return order_id
