"""`tasks.submit`: take an order from any Celery app on the same broker."""

from typing import Any

from celery import Task, shared_task

from willcall.usecases.submit import submit as submit_order


@shared_task(name="tasks.submit", bind=True)
def submit(self: Task, **payload: Any) -> str:
    """File one order (`SubmitOrder` as keyword arguments) and return its id.

    A bad payload fails the task with everything that is wrong with it.
    """
    return submit_order(self.app.willcall, payload).order_id
