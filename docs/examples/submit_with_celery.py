"""Submit an order from a backend that uses Celery. Willcall need not be installed there.

python submit_with_celery.py redis://localhost:6379/0
"""

import sys

from celery import Celery

backend = Celery("backend", broker=sys.argv[1])
backend.conf.task_ignore_result = True
backend.send_task(
    "tasks.submit",
    queue="willcall",
    kwargs={
        "id": "cart-43",  # your own key: sending the same order twice is harmless
        "provider": "tiqets",
        "reference": "3333333",
        "quantity": 1,
        "metadata": {"cart": "43"},
    },
)
print("sent")
