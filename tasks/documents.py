"""`tasks.fetch_documents`: one round of fetching what an order's tickets lack, which reschedules itself."""

from random import uniform

from celery import Task, shared_task

from tasks.queues import DOCUMENTS
from willcall.usecases.documents import TASK
from willcall.usecases.documents import fetch_documents as fetch

#: Seconds after which a message comes back when there is no thread left for it: from, to.
CROWDED = (1.0, 2.0)


@shared_task(name=TASK, bind=True, log_fields=("order",))
def fetch_documents(self: Task, order_id: str) -> None:
    """Fetch what an order lacks, if that is due: copies of the message find nothing to do."""
    context = self.app.willcall
    with self.app.bulkhead.place(DOCUMENTS) as room:
        again = fetch(context, order_id) if room else uniform(*CROWDED)  # noqa: S311 - spreads load
    if again is not None:
        context.sender.send_task(TASK, [order_id], again)
