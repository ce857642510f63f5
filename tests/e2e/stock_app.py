"""A shop's own Celery application, with Celery's default settings: `celery -A tests.e2e.stock_app worker`.

From the environment: BROKER, and LEDGER, a file that gets a line per task.
"""

import os

from celery import Celery

app = Celery("shop", broker=os.environ["BROKER"])


@app.task(name="shop.mail")
def mail(number: int) -> None:
    with open(os.environ["LEDGER"], "a", encoding="utf-8") as ledger:  # noqa: PTH123 - append is atomic
        ledger.write(f"{number}\n")
