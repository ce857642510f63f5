"""`tasks.fetch_documents`: one round of downloads for an order, which reschedules itself."""

from celery import Task, shared_task

from tasks.queues import DOCUMENTS
from willcall.usecases.documents import TASK
from willcall.usecases.documents import fetch_documents as fetch


@shared_task(name=TASK, bind=True, log_fields=("order",))
def fetch_documents(self: Task, order_id: str) -> None:
    """Fetch the documents that an order lacks, if that is due. Duplicate messages find nothing to do."""
    context = self.app.willcall
    with self.app.bulkhead.slot(DOCUMENTS) as wait:
        again = wait or fetch(context, order_id)
    if again is not None:
        context.sender.send_task(TASK, [order_id], again)
