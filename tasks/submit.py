"""`tasks.submit`: take an order from any Celery app on the same broker."""

from typing import Any

from celery import Task, shared_task
from celery.worker.request import Request

from willcall.usecases.submit import submit as submit_order


class MaskedRequest(Request):
    """Keeps the payload, whose reference may be all it takes to fetch tickets, out of events and logs."""

    def __init__(self, message: Any, **options: Any) -> None:
        """As Celery makes it, whatever the sender put into the headers."""
        super().__init__(message, **options)
        self._request_dict["argsrepr"] = self._argsrepr = "()"
        self._request_dict["kwargsrepr"] = self._kwargsrepr = "{...}"


@shared_task(name="tasks.submit", bind=True, Request=MaskedRequest)
def submit(self: Task, **payload: Any) -> str:
    """File one order (`SubmitOrder` as keyword arguments) and return its id.

    A bad payload fails the task with everything that is wrong with it.
    """
    return submit_order(self.app.willcall, payload).order_id
