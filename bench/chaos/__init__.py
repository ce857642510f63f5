"""A seeded run in which workers, beats, the API and Redis are hit at random, judged by independent ledgers.

Orders come in as Celery tasks, over HTTP and directly; the providers that can call back do; each order's backend is
told, and a quarter of them take nothing at first. The ledgers: every request that reached a provider, every event as it
appeared in the stream, every message that reached a backend, every call that a provider made.

What is promised under these hits, and so checked, stands at each function of `checks`. What is not promised:

- A worker that is frozen between its claim and its request for longer than the lease's margin (5 s) may ask while
  another one asks. Workers are frozen for less than that here, so two requests at once are always a fault.
- Redis runs with `appendfsync everysec`. That may lose the last second when the machine dies; the death of the process,
  which is what happens here, loses nothing that was answered, because the file is written before the answer is.
- A hint dies with the worker that heard it. The order is leased for longer than any hint of this run, so it is not
  asked about too early; but a 429 speaks for the whole account, and others may ask until it is known.
- A backend may be told the same twice, under the same id, where a hit kept its answer from being written.
- A provider whose call got no answer calls again, five times within 15 s here; what it has given up is polled for.
"""
