"""The Redis transport: kombu's, with countdowns that survive the death of every worker. See docs/transport.md.

The life of a poll message, in seconds after it is sent with `countdown=300`:

- 0: `delay.lua` adds it to the queue's sorted set `delayed`, due at Redis' clock + 300. No worker holds it.
- 300.00: it is due. Every worker runs `claim_messages.lua` each 0.02 s. At 300.01 one of these calls moves the message
  to the end of its list, takes it off again and records it among the claims under a new tag, all in one step. The
  worker starts the task.
- 301.2: the task ends and Celery acknowledges the message. The next call of `claim_messages.lua`, at most 0.02 s later,
  forgets the claim.
- If the worker is killed at 300.5 instead, the claim stays. At 360 it is older than the visibility timeout of 60 s, and
  within 10 s another worker puts the message back at the head of its list (`restore.lua`), marked as redelivered.
"""
