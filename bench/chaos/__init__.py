"""A seeded chaos run: processes and Redis are killed, frozen or cut off at random, and independent ledgers judge.

Orders are submitted as Celery tasks, over HTTP and directly. Providers that have webhooks call back. Each order has a
backend, and a quarter of the backends reject their first callback. The ledgers are: every request that reached a
provider, every event as it appeared in the stream, every callback that a backend received, every webhook that a
provider sent.

`checks.py` holds the promises, one function each. These are not promised:

- A worker that is frozen between its claim and its request for longer than the margin of its lease (5 s) may poll while
  another one does. Workers are frozen for less than that here, so two requests at once are always a failure.
- With `appendfsync everysec`, Redis may lose the last second when the machine dies, and while the disk is busy when it
  is killed. Here it runs with `appendfsync no` and only the process dies: it writes the file before it replies.
- A hint is lost with the worker that received it. The lease of the order is longer than any hint of this run, so the
  order is not polled too early. But a 429 applies to the whole account, and other orders may be polled until the
  account's state has it.
- A backend may receive the same event twice, under the same id, where a fault kept its response from being stored.
- A provider whose webhook got no response sends it again, five times within 15 s here. Then the order is polled.
"""
