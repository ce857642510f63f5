"""A seeded run in which workers, beats and Redis are hit at random, judged by independent ledgers.

What is promised under these hits, and so checked, stands at each function of `checks`. What is not promised:

- A worker that is frozen between its claim and its request for longer than the lease's margin (5 s) may ask while
  another one asks. Workers are frozen for less than that here, so two requests at once are always a fault.
- Redis runs with `appendfsync everysec`. That may lose the last second when the machine dies; the death of the process,
  which is what happens here, loses nothing that was answered, because the file is written before the answer is.
- A hint dies with the worker that heard it. The order is leased for longer than any hint of this run, so it is not
  asked about too early; but a 429 speaks for the whole account, and others may ask until it is known.
"""
